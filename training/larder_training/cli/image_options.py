"""The command-line flags that say which photos are read and how they become features: training and audit share them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import click

from larder.release.serving import RESAMPLINGS, Resampling
from larder_training.classifier.config.options import CACHE_BYTES, CACHE_FOLDER
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.io import s3

F = TypeVar("F", bound=Callable[..., Any])

_STATED: Final = ("mean", "std", "resize_short", "input_size", "output")


def _numbers(_context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no number or list like 123.7,116.3,103.5.", param=parameter) from error


_FLAGS: Final = (
    click.argument("data", type=s3.source),
    click.option("--backbone", help="ONNX file or URL (maybe with #sha256=HEX). Without: built-in HOG and colour."),
    click.option("--backbone-spec", type=click.Path(path_type=Path), help="JSON with the backbone's preprocessing."),
    click.option("--mean", callback=_numbers, help="What is subtracted from 0..255 pixels: one number, or R,G,B."),
    click.option("--std", callback=_numbers, help="What pixels are then divided by: one number, or R,G,B."),
    click.option("--resize-short", type=int, help="The short side that photos are scaled to before the central crop."),
    click.option("--input-size", type=int, help="The side of the square that the network sees, in pixels."),
    click.option("--output", help="The backbone's tensor of features, or several: A,B."),
    click.option("--resampling", type=click.Choice(RESAMPLINGS), help="How photos are scaled."),
    click.option("--label-attribute", help="The label attribute of a Ground Truth manifest that has several."),
    click.option(
        "--cache", type=click.Path(path_type=Path), default=CACHE_FOLDER, show_default=True, help="Features are kept."
    ),
    click.option("--no-cache", is_flag=True, help="Neither look features up nor keep them."),
    click.option("--cache-bytes", type=int, default=CACHE_BYTES, show_default=True, help="Limit of the cache."),
)


def reads_photos(command: F) -> F:
    """Gives a command the argument DATA and the flags; ``stated`` makes options of them."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def stated(flags: dict[str, Any]) -> dict[str, Any]:
    """The flags with those of ``reads_photos`` as ``ClassifierOptions`` takes them."""
    taken = dict(flags)
    named = {name: taken.pop(name) for name in _STATED}
    resampling = cast("Resampling | None", taken.pop("resampling"))
    taken["cache"] = None if taken.pop("no_cache") else taken["cache"]
    return {**taken, "preprocessing": Preprocessing(**named, resampling=resampling)}

"""Options that training and audit share: which images to read, and how to turn them into features."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from larder.release.serving import RESAMPLINGS
from larder_training.classifier.config.options import BOXES, CACHE_BYTES, CACHE_FOLDER, parse_roles
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.io import s3

F = TypeVar("F", bound=Callable[..., Any])

_PREPROCESSING: Final = ("mean", "std", "resize_short", "input_size", "output", "resampling")


def _numbers(_context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r} is not a number or a list such as 123.7,116.3,103.5.", param=parameter
        ) from error


_LIST_FLAGS: Final = (
    click.option(
        "--label-attribute",
        help="Label attribute of a Ground Truth manifest, or question of Label Studio, needed if there are several.",
    ),
    click.option(
        "--boxes",
        type=click.Choice(BOXES),
        help="For a list of boxes: cut makes an image of each, ignore gives their label to the whole image.",
    ),
    click.option(
        "--label-separator", help="With several labels for an image: what separates those of a cell, in addition to |."
    ),
)
_PREPROCESSING_FLAGS: Final = (
    click.option(
        "--backbone-spec", type=click.Path(path_type=Path), help="JSON file with the backbone's preprocessing."
    ),
    click.option("--mean", callback=_numbers, help="Mean to subtract from pixels of 0..255: one number, or R,G,B."),
    click.option("--std", callback=_numbers, help="Standard deviation to divide pixels by: one number, or R,G,B."),
    click.option("--resize-short", type=int, help="Short side, in pixels, that images are scaled to before the crop."),
    click.option("--input-size", type=int, help="Side of the backbone's square input, in pixels."),
    click.option("--output", help="Tensor of the backbone to use as features, or several: A,B."),
    click.option("--resampling", type=click.Choice(RESAMPLINGS), help="Filter for scaling images."),
)
_FLAGS: Final = (
    click.argument("data", type=s3.source),
    click.option(
        "--backbone",
        help="Name of a backbone (larder backbones lists them), ONNX file, or URL, which may end in #sha256=HEX; none "
        "for the built-in features [default: lite0, or none where cross-validation finds it better].",
    ),
    *_PREPROCESSING_FLAGS,
    *_LIST_FLAGS,
    click.option(
        "--multi-label", is_flag=True, help="Give an image any number of labels, also none: one yes or no for each."
    ),
    click.option(
        "--columns",
        multiple=True,
        metavar="ROLE=NAME,...",
        help="Columns of the list with the path, label and split, as path=file,label=breed [default: by their names].",
    ),
    click.option(
        "--groups",
        metavar="COLUMN|FILE|none",
        help="Images that stay together in the split: those with one value in a column of the list, or with one group "
        "in a CSV file (path,group); none: each image by itself [default: near-duplicates].",
    ),
    click.option(
        "--cache",
        type=click.Path(path_type=Path),
        default=CACHE_FOLDER,
        show_default=True,
        help="Cache directory for features.",
    ),
    click.option("--no-cache", is_flag=True, help="Disable the feature cache."),
    click.option(
        "--cache-bytes", type=int, default=CACHE_BYTES, show_default=True, help="Maximum size of the cache, in bytes."
    ),
)


def image_options(command: F) -> F:
    """Decorator that adds the argument DATA and the options of ``_FLAGS``; ``to_options`` converts their values."""
    return _with(command, _FLAGS)


def preprocessing_options(command: F) -> F:
    """Decorator that adds the options of a backbone's preprocessing; ``to_preprocessing`` converts their values."""
    return _with(command, _PREPROCESSING_FLAGS)


def _with(command: F, flags: Sequence[Callable[[F], F]]) -> F:
    for flag in reversed(flags):
        command = flag(command)
    return command


def list_options(command: F) -> F:
    """Decorator that adds the options that say how to read a list of images."""
    return _with(command, _LIST_FLAGS)


def to_options(flags: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments of ``ClassifierOptions`` from the parsed flags of a command with ``image_options``."""
    keywords = {**flags, "columns": parse_roles(flags["columns"]) or None}
    preprocessing = to_preprocessing({name: keywords.pop(name) for name in _PREPROCESSING})
    keywords["cache"] = None if keywords.pop("no_cache") else keywords["cache"]
    return {**keywords, "preprocessing": preprocessing}


def to_preprocessing(flags: dict[str, Any]) -> Preprocessing:
    """The preprocessing from the parsed flags of a command with ``preprocessing_options``, without the JSON file."""
    return Preprocessing(**{name: flags[name] for name in _PREPROCESSING})

"""``larder train classifier``: the command line of ``train``."""

import json
from pathlib import Path
from typing import Any, cast

import click

from larder.errors import LarderError
from larder.serving import RESAMPLINGS, Resampling
from larder_training.classifier.cache import FOLDER, MAX_BYTES
from larder_training.classifier.options import AUGMENT, DTYPES, FLIP, OUT, ClassifierOptions
from larder_training.classifier.preprocessing import Preprocessing
from larder_training.progress import Progress


def _numbers(_context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no number or list like 123.7,116.3,103.5.", param=parameter) from error


@click.command("classifier", short_help="Train an image classifier from labelled photos.")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--model", required=True, help="The model's name: a-z, 0-9 and '-'.")
@click.option("--out", type=click.Path(path_type=Path), default=OUT, show_default=True, help="Where releases go.")
@click.option("--backbone", help="ONNX file or URL (maybe with #sha256=HEX). Without: built-in HOG and colour.")
@click.option("--backbone-spec", type=click.Path(path_type=Path), help="JSON with the backbone's preprocessing.")
@click.option("--mean", callback=_numbers, help="What is subtracted from 0..255 pixels: one number, or R,G,B.")
@click.option("--std", callback=_numbers, help="What pixels are then divided by: one number, or R,G,B.")
@click.option("--resize-short", type=int, help="The short side that photos are scaled to before the central crop.")
@click.option("--input-size", type=int, help="The side of the square that the network sees, in pixels.")
@click.option("--output", help="The backbone's tensor that holds the features.")
@click.option("--resampling", type=click.Choice(RESAMPLINGS), help="How photos are scaled.")
@click.option("--label-attribute", help="The label attribute of a Ground Truth manifest that has several.")
@click.option("--dtype", type=click.Choice(DTYPES), default="int8", show_default=True, help="Of the released graph.")
@click.option("--augment", type=click.Choice(AUGMENT), default="auto", show_default=True, help="Strength of changes.")
@click.option("--copies", type=int, default=2, show_default=True, help="Changed copies of each training photo.")
@click.option("--flip", type=click.Choice(FLIP), default="auto", show_default=True, help="Learn from mirrored photos.")
@click.option("--cache", type=click.Path(path_type=Path), default=FOLDER, show_default=True, help="Features are kept.")
@click.option("--no-cache", is_flag=True, help="Neither look features up nor keep them.")
@click.option("--cache-bytes", type=int, default=MAX_BYTES, show_default=True, help="Limit of the cache.")
@click.option("--validation", type=float, default=0.15, show_default=True, help="Share to calibrate on.")
@click.option("--test", type=float, default=0.15, show_default=True, help="Share to report accuracy on.")
@click.option("--folds", type=int, default=5, show_default=True, help="Of the cross-validation.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same input, seed and versions: same bytes.")
@click.option("--json", "as_json", is_flag=True, help="Print the evaluation as JSON, and no progress.")
def command(data: Path, *, as_json: bool, **flags: Any) -> None:  # noqa: ANN401 - click hands over what it parsed
    """Train an image classifier and write a release folder.

    DATA is a folder with one sub-folder a class, a CSV file (path,label[,split]), or a manifest in SageMaker Ground
    Truth's JSON lines.
    """
    from larder_training.classifier.train import train

    resampling = cast("Resampling | None", flags.pop("resampling"))
    flags["cache"] = None if flags.pop("no_cache") else flags["cache"]
    named = {name: flags.pop(name) for name in ("mean", "std", "resize_short", "input_size", "output")}
    try:
        options = ClassifierOptions(data, preprocessing=Preprocessing(**named, resampling=resampling), **flags)
        release = train(options, Progress(quiet=as_json))
    except LarderError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        manifest = json.loads((release / "manifest.json").read_bytes())
        click.echo(json.dumps({"release": str(release), "evaluation": manifest["evaluation"]}, indent=2))
    else:
        click.echo(release)

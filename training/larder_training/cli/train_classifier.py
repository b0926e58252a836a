"""``larder train classifier``: the command line of ``train``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from larder.errors import InvalidRequest, LarderError
from larder.release.serving import COLUMN_TYPES, ColumnType
from larder_training.classifier.config.options import (
    AUGMENT,
    CLASS_WEIGHTS,
    DTYPES,
    FLIP,
    OUT,
    ClassifierOptions,
    SearchLimits,
)
from larder_training.cli.image_options import reads_photos, stated
from larder_training.reporting.progress import Progress

_COLUMN_TYPES: Final[tuple[ColumnType, ...]] = ("category", "number", "text")


@click.command("classifier", short_help="Train an image classifier from labelled photos.")
@reads_photos
@click.option("--model", required=True, help="The model's name: a-z, 0-9 and '-'.")
@click.option("--out", type=click.Path(path_type=Path), default=OUT, show_default=True, help="Where releases go.")
@click.option("--dtype", type=click.Choice(DTYPES), default="int8", show_default=True, help="Of the released graph.")
@click.option("--augment", type=click.Choice(AUGMENT), default="auto", show_default=True, help="Strength of changes.")
@click.option("--copies", type=int, default=2, show_default=True, help="Changed copies of each training photo.")
@click.option("--flip", type=click.Choice(FLIP), default="auto", show_default=True, help="Learn from mirrored photos.")
@click.option("--validation", type=float, default=0.15, show_default=True, help="Share to calibrate on.")
@click.option("--test", type=float, default=0.15, show_default=True, help="Share to report accuracy on.")
@click.option("--false-alarms", type=float, default=0.04, show_default=True, help="Share of known photos unknown.")
@click.option("--precision", type=float, help="Of the labels' thresholds. Default: those of the best F1.")
@click.option("--folds", type=int, default=5, show_default=True, help="Of the cross-validation.")
@click.option("--parent", type=click.Path(path_type=Path), help="Release folder or model to start from.")
@click.option("--trials", type=int, default=24, show_default=True, help="Heads to try at most.")
@click.option("--minutes", type=float, help="Time for trying heads; the first is always tried.")
@click.option("--hidden/--no-hidden", default=True, show_default=True, help="Whether to try a hidden layer.")
@click.option(
    "--class-weights", type=click.Choice(CLASS_WEIGHTS), default="auto", show_default=True, help="For rare classes."
)
@click.option("--side", multiple=True, metavar="NAME[:TYPE]", help="Column beside the pictures. Default: all.")
@click.option("--no-side", is_flag=True, help="Learn from the pictures alone.")
@click.option("--keep-side/--choose-side", default=False, help="Side information even where it does not help.")
@click.option("--colour-statistics", is_flag=True, help="Colours of the whole picture beside the backbone's features.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same input, seed and versions: same bytes.")
@click.option("--json", "as_json", is_flag=True, help="Print the evaluation as JSON, and no progress.")
def command(data: Path | str, *, as_json: bool, **flags: Any) -> None:  # noqa: ANN401 - click hands over what it parsed
    """Train an image classifier and write a release folder.

    DATA is a folder with one sub-folder a class, a CSV file (path,label[,split][,more]), or a manifest in SageMaker
    Ground Truth's JSON lines; each may lie in S3 (s3://bucket/key).
    """
    from larder_training.classifier.train import train

    searched = {name: flags.pop(name) for name in ("trials", "minutes", "hidden", "class_weights")}
    named, none = flags.pop("side"), flags.pop("no_side")
    try:
        side = {} if none else parse_side_columns(named) or None
        options = ClassifierOptions(data, search=SearchLimits(**searched), side=side, **stated(flags))
        release = train(options, Progress(quiet=as_json))
    except LarderError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        manifest = json.loads((release / "manifest.json").read_bytes())
        click.echo(json.dumps({"release": str(release), "evaluation": manifest["evaluation"]}, indent=2))
    else:
        click.echo(release)


def parse_side_columns(flags: Sequence[str]) -> dict[str, ColumnType | None]:
    """Reads ``NAME`` and ``NAME:TYPE``. Raises InvalidRequest for another type or a name given twice."""
    wanted: dict[str, ColumnType | None] = {}
    for flag in flags:
        name, colon, kind = flag.rpartition(":")
        name = name if colon else flag
        if not name or name in wanted or (colon and kind not in COLUMN_TYPES):
            raise InvalidRequest(
                f"--side {flag!r} is not understood: give each column once, as NAME or NAME:TYPE with one of the types "
                f"{', '.join(COLUMN_TYPES)}."
            )
        wanted[name] = next((known for known in _COLUMN_TYPES if colon and known == kind), None)
    return wanted

"""The command ``larder train classifier``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
from larder_training.cli.image_options import image_options, to_options
from larder_training.cli.invocation import command_line
from larder_training.cli.summary import print_release
from larder_training.reporting.progress import Progress


@click.command("classifier", short_help="Train an image classifier from labelled images.")
@image_options
@click.option("--model", required=True, help="Name of the model: a-z, 0-9 and '-'.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=OUT, show_default=True, help="Folder to write the release to."
)
@click.option(
    "--dtype", type=click.Choice(DTYPES), default="int8", show_default=True, help="Data type of the exported model."
)
@click.option(
    "--augment",
    type=click.Choice(AUGMENT),
    default="auto",
    show_default=True,
    help="Strength of augmentation; auto chooses it by cross-validation.",
)
@click.option("--copies", type=int, default=2, show_default=True, help="Augmented copies of each training image.")
@click.option(
    "--flip",
    type=click.Choice(FLIP),
    default="auto",
    show_default=True,
    help="Whether to train on mirrored images too; auto chooses by cross-validation.",
)
@click.option(
    "--validation", type=float, default=0.15, show_default=True, help="Share of images for validation and calibration."
)
@click.option("--test", type=float, default=0.15, show_default=True, help="Share of images for the test accuracy.")
@click.option(
    "--false-alarms",
    type=float,
    default=0.04,
    show_default=True,
    help="Target share of in-distribution images flagged unknown.",
)
@click.option(
    "--precision", type=float, help="Precision that each label's threshold must reach [default: thresholds of best F1]."
)
@click.option("--folds", type=int, default=5, show_default=True, help="Number of cross-validation folds.")
@click.option(
    "--parent", type=click.Path(path_type=Path), help="Release folder, or name of a model in --out, to start from."
)
@click.option("--trials", type=int, default=24, show_default=True, help="Maximum number of hyperparameter trials.")
@click.option("--minutes", type=float, help="Time limit of the search, in minutes; the first trial always runs.")
@click.option(
    "--hidden/--no-hidden", default=True, show_default=True, help="Whether the search tries heads with a hidden layer."
)
@click.option(
    "--class-weights",
    type=click.Choice(CLASS_WEIGHTS),
    default="auto",
    show_default=True,
    help="Weights of the classes in the loss; balanced favours rare classes, auto tries both.",
)
@click.option(
    "--side",
    multiple=True,
    metavar="NAME[:TYPE]",
    help="Column of the manifest to use as side information; repeatable [default: all columns].",
)
@click.option("--no-side", is_flag=True, help="Use no side information.")
@click.option(
    "--keep-side/--choose-side",
    default=False,
    help="Keep side information even if it does not improve validation [default: choose].",
)
@click.option(
    "--colour-statistics", is_flag=True, help="Add colour statistics of the image to the backbone's features."
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Random seed; the same input, seed and package versions give the same model file.",
)
@click.option("--quiet", is_flag=True, help="Print the release folder only, and hide progress.")
@click.option("--json", "as_json", is_flag=True, help="Print the evaluation as JSON and hide progress.")
def command(data: Path | str, *, quiet: bool, as_json: bool, **flags: Any) -> None:  # noqa: ANN401 - click hands over what it parsed
    """Train an image classifier and write a release folder.

    DATA is a folder with one sub-folder per class, which may be below train/, val/ and test/, or a list: CSV
    (path,label[,split][,more]), a Ground Truth manifest, COCO JSON, or an export of Label Studio, CVAT or Roboflow.
    Each may be in S3 (s3://bucket/key).
    """
    from larder_training.classifier.train import train

    limits = {name: flags.pop(name) for name in ("trials", "minutes", "hidden", "class_weights")}
    columns, no_side = flags.pop("side"), flags.pop("no_side")
    try:
        side = {} if no_side else parse_side_columns(columns) or None
        options = ClassifierOptions(data, search=SearchLimits(**limits), side=side, **to_options(flags))
        release = train(options, Progress(quiet=as_json or quiet), command_line())
    except LarderError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        manifest = json.loads((release / "manifest.json").read_bytes())
        click.echo(json.dumps({"release": str(release), "evaluation": manifest["evaluation"]}, indent=2))
    elif quiet:
        click.echo(release)
    else:
        print_release(release, newest_of=OUT)


def parse_side_columns(flags: Sequence[str]) -> dict[str, ColumnType | None]:
    """Parses ``NAME`` and ``NAME:TYPE``.

    Returns:
        The type of each column; None lets the training infer it.

    Raises:
        InvalidRequest: A type is unknown, or a name is given twice.
    """
    columns: dict[str, ColumnType | None] = {}
    for flag in flags:
        name, colon, kind = flag.rpartition(":")
        name = name if colon else flag
        if not name or name in columns or (colon and kind not in COLUMN_TYPES):
            raise InvalidRequest(
                f"--side {flag!r} is invalid: give each column once, as NAME or NAME:TYPE with one of the types "
                f"{', '.join(COLUMN_TYPES)}."
            )
        columns[name] = next((known for known in COLUMN_TYPES if colon and known == kind), None)
    return columns

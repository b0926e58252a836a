"""``larder classify``."""

import json
from collections.abc import Mapping
from pathlib import Path

import click

from larder_client import ClientError
from larder_local import service


def _pairs(_context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE, for example place=Berlin.", param=parameter)
        pairs[name] = value
    return pairs


@click.command("classify")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", help="Name of the classifier; needed if the service has several.")
@click.option("--max-labels", type=click.IntRange(1), help="Maximum number of labels per image.")
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    help="Minimum confidence; 0 returns all labels [default: the threshold of each label].",
)
@click.option(
    "--side",
    multiple=True,
    callback=_pairs,
    metavar="NAME=VALUE",
    help="Value of a side column for all images, for example place=Berlin; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per image.")
def command(
    files: tuple[Path, ...],
    model: str | None,
    max_labels: int | None,
    min_confidence: float | None,
    side: dict[str, str],
    *,
    as_json: bool,
) -> None:
    """Classify image FILES with the service.

    The service is the one at LARDER_URL [default: the `larder up` of this folder].
    """
    with service.connect() as client:
        name = service.model_name(client, "classifier", model)
        side_values = _typed(side, client.model(name).side) if side else None
        for file in files:
            try:
                response = client.classify(
                    name, file, max_labels=max_labels, min_confidence=min_confidence, side=side_values
                )
            except ClientError as error:
                raise click.ClickException(f"{file}: {service.message(error, client.url)}") from error
            if as_json:
                click.echo(json.dumps({"file": str(file), **response.document}, ensure_ascii=False))
                continue
            labels = ", ".join(f"{label.name} {label.confidence:.3f}" for label in response.labels) or "no label"
            click.echo(f"{file}: {labels}{' (unknown: unlike the training images)' if response.unknown else ''}")


def _typed(texts: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, str | float | None]:
    """The values with the types of the model's side columns; the service rejects the unknown ones."""
    values: dict[str, str | float | None] = dict(texts)
    for name, text in texts.items():
        if columns.get(name) == "number":
            try:
                values[name] = float(text)
            except ValueError as error:
                raise click.BadParameter(f"{name} is {text!r}: give a number.", param_hint="--side") from error
    return values

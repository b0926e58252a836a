"""``larder classify``."""

import json
from collections.abc import Mapping
from pathlib import Path

import click

from larder_client import ClientError
from larder_local import service


def _pairs(_context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{text!r} is no NAME=VALUE, such as place=Berlin.", param=parameter)
        pairs[name] = value
    return pairs


@click.command("classify")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", help="The classifier to ask; without it, the only one there is.")
@click.option("--max-labels", type=click.IntRange(1), help="At most so many labels a picture.")
@click.option(
    "--min-confidence", type=click.FloatRange(0, 1), help="In place of the labels' own thresholds; 0 names all."
)
@click.option(
    "--side",
    multiple=True,
    callback=_pairs,
    metavar="NAME=VALUE",
    help="What is known beside the pictures, such as place=Berlin.",
)
@click.option("--json", "as_json", is_flag=True, help="Print each answer as a line of JSON.")
def command(
    files: tuple[Path, ...],
    model: str | None,
    max_labels: int | None,
    min_confidence: float | None,
    side: dict[str, str],
    *,
    as_json: bool,
) -> None:
    """Ask the service for labels of pictures.

    The service is LARDER_URL, or the `larder up` of this folder.
    """
    with service.connect() as client:
        name = service.model_name(client, "classifier", model)
        values = _typed(side, client.model(name).side) if side else None
        for file in files:
            try:
                answer = client.classify(name, file, max_labels=max_labels, min_confidence=min_confidence, side=values)
            except ClientError as error:
                raise click.ClickException(f"{file}: {service.message(error, client.url)}") from error
            if as_json:
                click.echo(json.dumps({"file": str(file), **answer.document}, ensure_ascii=False))
                continue
            labels = ", ".join(f"{label.name} {label.confidence:.3f}" for label in answer.labels) or "no label"
            click.echo(f"{file}: {labels}{' (unlike anything it was taught)' if answer.unknown else ''}")


def _typed(given: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, str | float | None]:
    """Values as JSON, by what the model says of its columns; one that it does not know, the service will refuse."""
    values: dict[str, str | float | None] = dict(given)
    for name, text in given.items():
        if columns.get(name) == "number":
            try:
                values[name] = float(text)
            except ValueError as error:
                raise click.BadParameter(f"{name} is {text!r}: give a number.", param_hint="--side") from error
    return values

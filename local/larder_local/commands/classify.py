"""``larder classify``."""

import base64
import json
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from larder_local.client import Client


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
    client = Client.from_environment()
    about = f"/v1/models/{quote(client.model('classifier', model), safe='')}"
    known = _typed(side, client.get(about).get("side", {})) if side else {}
    options = {"max_labels": max_labels, "min_confidence": min_confidence}
    parameters = {name: str(value) for name, value in options.items() if value is not None}
    for file in files:
        try:
            answer = client.post(f"{about}/classify", *_body(file, known), parameters)
        except click.ClickException as error:
            raise click.ClickException(f"{file}: {error.message}") from error
        if as_json:
            click.echo(json.dumps({"file": str(file), **answer}, ensure_ascii=False))
            continue
        labels = ", ".join(f"{label['name']} {label['confidence']:.3f}" for label in answer["labels"]) or "no label"
        click.echo(f"{file}: {labels}{' (unlike anything it was taught)' if answer['unknown'] else ''}")


def _body(file: Path, side: Mapping[str, object]) -> tuple[bytes, str]:
    """What is sent, and its media type: the file as it is, or JSON where there is more to say."""
    if side:
        document = {"image": base64.b64encode(file.read_bytes()).decode(), "side": side}
        return json.dumps(document).encode(), "application/json"
    kind = mimetypes.guess_type(file.name)[0] or ""
    return file.read_bytes(), kind if kind.startswith("image/") else "application/octet-stream"


def _typed(given: Mapping[str, str], columns: Mapping[str, Any]) -> dict[str, object]:
    """Values as JSON, by what the model says of its columns; one that it does not know, the service will refuse."""
    values: dict[str, object] = dict(given)
    for name, text in given.items():
        if columns.get(name) == "number":
            try:
                values[name] = float(text)
            except ValueError as error:
                raise click.BadParameter(f"{name} is {text!r}: give a number.", param_hint="--side") from error
    return values

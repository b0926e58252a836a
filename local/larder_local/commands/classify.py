"""``larder classify``."""

import json
import mimetypes
from pathlib import Path
from urllib.parse import quote

import click

from larder_local.client import Client


@click.command("classify")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", help="The classifier to ask; without it, the only one there is.")
@click.option("--max-labels", type=click.IntRange(1), help="At most so many labels a picture.")
@click.option(
    "--min-confidence", type=click.FloatRange(0, 1), help="In place of the labels' own thresholds; 0 names all."
)
@click.option("--json", "as_json", is_flag=True, help="Print each answer as a line of JSON.")
def command(
    files: tuple[Path, ...], model: str | None, max_labels: int | None, min_confidence: float | None, *, as_json: bool
) -> None:
    """Ask the service for labels of pictures.

    The service is LARDER_URL, or the `larder up` of this folder.
    """
    client = Client.from_environment()
    path = f"/v1/models/{quote(client.model('classifier', model), safe='')}/classify"
    options = {"max_labels": max_labels, "min_confidence": min_confidence}
    parameters = {name: str(value) for name, value in options.items() if value is not None}
    for file in files:
        kind = mimetypes.guess_type(file.name)[0] or ""
        kind = kind if kind.startswith("image/") else "application/octet-stream"
        try:
            answer = client.post(path, file.read_bytes(), kind, parameters)
        except click.ClickException as error:
            raise click.ClickException(f"{file}: {error.message}") from error
        if as_json:
            click.echo(json.dumps({"file": str(file), **answer}, ensure_ascii=False))
            continue
        labels = ", ".join(f"{label['name']} {label['confidence']:.3f}" for label in answer["labels"]) or "no label"
        click.echo(f"{file}: {labels}{' (unlike anything it was taught)' if answer['unknown'] else ''}")

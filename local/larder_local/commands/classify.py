"""``larder classify``."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from larder_client import BadRequest, Classification, ClientError, TooLarge, Unprocessable, UnsupportedMedia
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
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
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

    The service is the one at LARDER_URL [default: the `larder up` of this folder]. A file that cannot be classified
    gets its error in its place, the others are classified, and the exit status is 1.
    """
    failures = 0
    with service.connect(model) as client:
        name = service.model_name(client, "classifier", model)
        side_values = _typed(side, client.model(name).side) if side else None
        for file in files:
            try:
                response = client.classify(
                    name, file, max_labels=max_labels, min_confidence=min_confidence, side=side_values
                )
            except (OSError, BadRequest, TooLarge, UnsupportedMedia, Unprocessable) as error:
                failures += 1
                _print_error(file, error, client.url, as_json=as_json)
            except ClientError as error:  # not an error of this file: the next one gets it too
                hint = service.near_models(client, error, model)
                raise click.ClickException(f"{file}: {service.message(error, client.url)}{hint}") from error
            else:
                _print_labels(file, response, as_json=as_json)
    if failures:
        if len(files) > 1:
            click.echo(f"{failures} of {len(files)} files were not classified.", err=True)
        sys.exit(1)


def _print_labels(file: Path, response: Classification, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"file": str(file), **response.document}, ensure_ascii=False))
        return
    labels = ", ".join(f"{label.name} {label.confidence:.3f}" for label in response.labels) or "no label"
    click.echo(f"{file}: {labels}{' (unknown: unlike the training images)' if response.unknown else ''}")


def _print_error(file: Path, error: OSError | ClientError, url: str, *, as_json: bool) -> None:
    """The error of one file: on standard error or, as JSON, among the other answers."""
    if isinstance(error, ClientError):
        code, reason = getattr(error, "code", None), service.message(error, url)
    else:
        code, reason = "unreadable_file", f"it cannot be read ({error.strerror}): give the path of an image."
    if as_json:
        document = {"file": str(file), "error": {"code": code, "message": reason}}
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        click.echo(f"{file}: Error: {reason}", err=True)


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

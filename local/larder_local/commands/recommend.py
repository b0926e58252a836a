"""``larder recommend``."""

import csv
import json

import click

from larder_client import Reason
from larder_local import service


def _entries(_context: click.Context, parameter: click.Parameter, text: str | None) -> list[str] | None:
    """The entries of a comma-separated list; an entry that contains a comma is in double quotes."""
    if text is None:
        return None
    try:
        return [entry for entry in next(csv.reader([text], strict=True), []) if entry]
    except csv.Error as error:
        raise click.BadParameter(f"{text!r} is not a list: close each double quote.", param=parameter) from error


@click.command("recommend")
@click.argument("user")
@click.option("--model", help="Name of the recommender; needed if the service has several.")
@click.option("--n", type=click.IntRange(1, 500), default=10, show_default=True, help="Number of items.")
@click.option("--session", callback=_entries, help="Recent items of the user, comma-separated, the newest last.")
@click.option("--filter", "filter_expression", help="A filter, for example: EXCLUDE ItemID WHERE Items.PRICE > 20")
@click.option("--columns", callback=_entries, help="Item columns to show, comma-separated.")
@click.option("--json", "as_json", is_flag=True, help="Print the response as JSON.")
def command(
    user: str,
    model: str | None,
    n: int,
    session: list[str] | None,
    filter_expression: str | None,
    columns: list[str] | None,
    *,
    as_json: bool,
) -> None:
    """Get the best items for USER from the service.

    The service is the one at LARDER_URL [default: the `larder up` of this folder].
    """
    with service.connect(model) as client:
        name = service.model_name(client, "recommender", model)
        response = client.recommend(name, user=user, n=n, session=session, filter=filter_expression, columns=columns)
    if as_json:
        click.echo(json.dumps(response.document, ensure_ascii=False, indent=2))
        return
    for warning in response.warnings:
        click.echo(warning, err=True)
    if response.unknown.get("user"):
        click.echo(f"The model does not know the user {user}: these are popular items.", err=True)
    for rank, item in enumerate(response.items, start=1):
        values = "  ".join(f"{column}={value}" for column, value in item.columns.items())
        click.echo("  ".join(filter(None, (f"{rank:3}", item.id, f"{item.score:.3f}", _why(item.because), values))))


def _why(because: Reason | None) -> str:
    """The reason of a recommendation in a few words; empty without a reason."""
    if because is None:
        return ""
    about = ", ".join(because.items) or because.segment or because.promotion or ""
    return f"({because.source}{': ' if about else ''}{about})"

"""``larder recommend``."""

import csv
import json

import click

from larder_client import Reason
from larder_local import service


def _entries(_context: click.Context, parameter: click.Parameter, text: str | None) -> list[str] | None:
    """A list with commas between its entries; one that holds a comma stands in double quotes."""
    if text is None:
        return None
    try:
        return [entry for entry in next(csv.reader([text], strict=True), []) if entry]
    except csv.Error as error:
        raise click.BadParameter(f'{text!r} is not a list: close each ".', param=parameter) from error


@click.command("recommend")
@click.argument("user")
@click.option("--model", help="The recommender to ask; without it, the only one there is.")
@click.option("--n", type=click.IntRange(1, 500), default=10, show_default=True, help="How many items.")
@click.option("--session", callback=_entries, help="Recent items, the newest last, with commas between.")
@click.option("--filter", "rule", help="A filter, such as: EXCLUDE ItemID WHERE Items.PRICE > 20")
@click.option("--columns", callback=_entries, help="Columns of the items to show, with commas between.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def command(
    user: str,
    model: str | None,
    n: int,
    session: list[str] | None,
    rule: str | None,
    columns: list[str] | None,
    *,
    as_json: bool,
) -> None:
    """Ask the service for the items that suit USER best.

    The service is LARDER_URL, or the `larder up` of this folder.
    """
    with service.connect() as client:
        name = service.model_name(client, "recommender", model)
        answer = client.recommend(name, user=user, n=n, session=session, filter=rule, columns=columns)
    if as_json:
        click.echo(json.dumps(answer.document, ensure_ascii=False, indent=2))
        return
    for rank, item in enumerate(answer.items, start=1):
        values = "  ".join(f"{column}={value}" for column, value in item.columns.items())
        click.echo("  ".join(filter(None, (f"{rank:3}", item.id, f"{item.score:.3f}", _why(item.because), values))))


def _why(because: Reason | None) -> str:
    """``because``, in a few words."""
    if because is None:
        return ""
    about = ", ".join(because.items) or because.segment or because.promotion or ""
    return f"({because.source}{': ' if about else ''}{about})"

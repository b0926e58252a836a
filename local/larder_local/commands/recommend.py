"""``larder recommend``."""

import json
from typing import Any
from urllib.parse import quote

import click

from larder_local.client import Client


@click.command("recommend")
@click.argument("user")
@click.option("--model", help="The recommender to ask; without it, the only one there is.")
@click.option("--n", type=click.IntRange(1, 500), default=10, show_default=True, help="How many items.")
@click.option("--session", help="Recent items, the newest last, with commas between.")
@click.option("--filter", "rule", help="A filter, such as: EXCLUDE ItemID WHERE Items.PRICE > 20")
@click.option("--columns", help="Columns of the items to show, with commas between.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def command(user: str, model: str | None, *, as_json: bool, **options: Any) -> None:  # noqa: ANN401  click hands over what it parsed
    """Ask the service for the items that suit USER best.

    The service is LARDER_URL, or the `larder up` of this folder.
    """
    client = Client.from_environment()
    path = f"/v1/models/{quote(client.model('recommender', model), safe='')}/recommend"
    asked = {"user": user, "filter": options.pop("rule"), **options}
    answer = client.get(path, {name: str(value) for name, value in asked.items() if value is not None})
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    for place, item in enumerate(answer["items"], start=1):
        columns = "  ".join(f"{name}={value}" for name, value in (item.get("columns") or {}).items())
        click.echo(
            "  ".join(filter(None, (f"{place:3}", item["id"], f"{item['score']:.3f}", _why(item["because"]), columns)))
        )


def _why(because: dict[str, Any]) -> str:
    """``because``, in a few words."""
    of = because.get("items") or because.get("segment") or because.get("promotion") or ""
    return f"({because['source']}{': ' if of else ''}{', '.join(of) if isinstance(of, list) else of})"

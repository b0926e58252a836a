"""``larder users export``."""

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import click

from larder.release.keys import check_model
from larder_local import service
from larder_local.commands.registry.options import open_existing, store_option
from larder_local.workspace import Workspace

if TYPE_CHECKING:  # obstore is slow to import: --help does without it
    from larder.store import Store


@click.command("export")
@click.argument("user")
@click.option("--model", help="One model [default: all].")
@store_option
def command(user: str, model: str | None, store: str | None) -> None:
    """Print what is stored of USER as JSON: recent history from the service, and rows from the log in the store.

    The service is the one at LARDER_URL [default: the `larder up` of this folder]. It reads the whole log, twice.
    """
    with service.connect(model) as client:
        document = dict(client.export_user(user, model=model))
    opened = open_existing(Workspace.current(), store)
    document["log"] = _logged(opened, user, model) if opened else {}
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def _logged(store: "Store", user: str, model: str | None) -> dict[str, dict[str, list[Any]]]:
    """The rows of the log, by model and kind."""
    from larder.events.log.owners import rows_of_user
    from larder.events.log.parts import logged_models

    found: dict[str, dict[str, list[Any]]] = {}
    for name in [check_model(model)] if model else logged_models(store):
        rows: dict[str, list[Any]] = defaultdict(list)
        for kind, row in rows_of_user(store, name, user):
            rows[kind].append(row)
        if rows:
            found[name] = dict(rows)
    return found

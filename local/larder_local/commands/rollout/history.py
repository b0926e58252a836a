"""``larder history``."""

import json

import click

from larder_local.commands.registry.options import listed_model, open_existing, store_option
from larder_local.console import print_table
from larder_local.workspace import Workspace


@click.command("history")
@click.argument("model")
@click.option("-n", type=click.IntRange(1), default=25, show_default=True, help="How many changes to show.")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON.")
def command(model: str, n: int, store: str | None, *, as_json: bool) -> None:
    """Show which releases of MODEL were live, the newest change first, and who changed it.

    `rollout` is an upload, `larder` a command, and anything else the id of a key.
    """
    from larder.registry import Registry
    from larder.store import open_store

    workspace = Workspace.current()
    listed_model(workspace, open_existing(workspace, store), model)
    changes = Registry(open_store(store or workspace.store)).history(model, n)
    if as_json:
        click.echo(json.dumps(changes, ensure_ascii=False, indent=2))
        return
    if not changes:
        click.echo(f"No change of {model} is recorded. To make a release live: larder publish {model}")
        return
    columns = ("revision", "changed", "live", "previous", "by")
    fields = ("revision", "changed", "stable", "previous", "by")
    print_table(columns, [[str(entry.get(name) or "-") for name in fields] for entry in changes])
    if changes[0].get("previous"):
        click.echo(f"To go back: larder rollback {model}")

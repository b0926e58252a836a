"""``larder reject``."""

import click

from larder_local.commands.registry.options import check_known, listed_model, open_existing, store_option
from larder_local.workspace import Workspace


@click.command("reject")
@click.argument("model")
@click.argument("release")
@click.argument("reason")
@store_option
def command(model: str, release: str, reason: str, store: str | None) -> None:
    """Keep the RELEASE of MODEL from going live, for a REASON that people read.

    The release must be in the store and must not answer. `larder publish` checks it again.
    """
    from larder.registry import Registry
    from larder.registry.changes import reject
    from larder.store import open_store

    workspace = Workspace.current()
    listed = listed_model(workspace, open_existing(workspace, store), model)
    check_known(listed, release)
    reject(Registry(open_store(store or workspace.store)), model, release, reason)
    click.echo(f"Rejected {release}: {reason}")
    click.echo(f"To check it again, and make it live: larder publish {release}")

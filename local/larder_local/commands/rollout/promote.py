"""``larder promote``."""

import click

from larder_local.commands.registry.options import check_known, listed_model, open_existing, store_option
from larder_local.workspace import Workspace


@click.command("promote")
@click.argument("model")
@click.argument("release")
@store_option
@click.option("--force", is_flag=True, help="Promote it even if it is worse than the live release.")
def command(model: str, release: str, store: str | None, *, force: bool) -> None:
    """Make the RELEASE of MODEL live that a rollout has checked, such as one that waits for approval.

    Only the pointer changes, as with POST .../promote: the release is compared with the live one again, and not read
    again. `larder publish` checks one that no rollout has checked.
    """
    from larder.registry import Registry
    from larder.registry.changes import promote
    from larder.store import open_store

    workspace = Workspace.current()
    listed = listed_model(workspace, open_existing(workspace, store), model)
    check_known(listed, release)
    pointer = promote(Registry(open_store(store or workspace.store)), model, release, force=force, by="larder")
    replaced = f" in place of {pointer.previous}" if pointer.previous else ""
    click.echo(f"Promoted: {model} answers with {release}{replaced}.")

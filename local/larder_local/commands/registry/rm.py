"""``larder rm``."""

import json
import sys

import click

from larder.errors import InvalidRequest
from larder_local.commands.registry.options import check_known, listed_model, open_existing, store_option
from larder_local.console import size
from larder_local.workspace import Workspace
from larder_training.reporting.counts import counted


@click.command("rm")
@click.argument("model")
@click.argument("release", required=False)
@store_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--force", is_flag=True, help="Remove the live release too: the model then has no live release.")
@click.option("--json", "as_json", is_flag=True, help="Print what was removed as JSON; needs --yes.")
def command(model: str, release: str | None, store: str | None, *, yes: bool, force: bool, as_json: bool) -> None:
    """Remove the RELEASE of MODEL, in the store and on this machine [default: all but the live one].

    The live release, and a canary, stay without --force. Nothing can be restored, except by publishing or training
    again.
    """
    from larder_local.releases.removal import remove

    if as_json and not yes:
        raise click.UsageError("--json needs --yes: it asks nothing.")
    workspace = Workspace.current()
    opened = open_existing(workspace, store)
    listed = listed_model(workspace, opened, model)
    if release is not None:
        check_known(listed, release)
    chosen = [entry for entry in listed.releases if release in (None, entry.release)]
    kept = [entry for entry in chosen if not force and entry.answers]
    removed = [entry for entry in chosen if entry not in kept]
    if kept and not removed:
        after = "ends the canary" if kept[0].role == "canary" else "leaves the model without a live release"
        raise InvalidRequest(
            f"{kept[0].release} answers for {model}: publish or roll back to another release first, or add --force, "
            f"which {after}."
        )
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("Give --yes: there is no terminal to ask for confirmation.")
        for entry in removed:
            click.echo(f"{entry.release}  {entry.state}  {size(entry.total_bytes)}")
        where = f"the store {opened.url} and this machine" if opened is not None else "this machine"
        click.confirm(f"Remove {counted(len(removed), 'release')} of {model} from {where}?", abort=True)
    freed = remove(removed, opened)
    if as_json:
        names = [entry.release for entry in removed]
        click.echo(json.dumps({"model": model, "removed": names, "bytes": freed}, ensure_ascii=False, indent=2))
        return
    click.echo(f"Removed {counted(len(removed), 'release')} of {model}: {freed:,} bytes ({size(freed)}) are free.")
    for entry in kept:
        click.echo(f"{entry.release} is {'live' if entry.is_live else 'the canary'} and stays.")

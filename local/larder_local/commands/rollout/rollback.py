"""``larder rollback``."""

import json
import sys

import click

from larder.errors import InvalidRequest
from larder_local.commands.registry.options import check_known, listed_model, open_existing, store_option
from larder_local.workspace import Workspace


@click.command("rollback")
@click.argument("model")
@click.argument("release", required=False)
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def command(model: str, release: str | None, store: str | None, *, as_json: bool) -> None:
    """Make an earlier RELEASE of MODEL answer again [default: the one that was live before].

    The release must be in the store. It is verified again, answers its golden requests, and then becomes live, as with
    `larder publish`; its quality is not compared. The release that answered until then becomes the previous one.
    """
    from larder_local.releases.publishing import go_live

    workspace = Workspace.current()
    opened = open_existing(workspace, store)
    listed = listed_model(workspace, opened, model)
    if release is None:
        release = next((entry.release for entry in listed.releases if entry.state == "previous"), None)
        if release is None:
            stored = ", ".join(entry.release for entry in listed.releases if entry.state == "uploaded")
            remedy = f"give one of its other releases ({stored})" if stored else "publish another release first"
            raise InvalidRequest(f"{model} has no previous release in this store: {remedy}.")
    check_known(listed, release)
    chosen = next(entry for entry in listed.releases if entry.release == release)
    if opened is None or not chosen.stored_bytes:
        raise InvalidRequest(
            f"{release} is on this machine only. To make it answer: larder publish {chosen.path or release}"
        )
    outcome = go_live(opened, model, release, gate=False, quiet=as_json)
    if as_json:
        pointer = outcome.pointer
        document = {
            "model": model,
            "release": release,
            "state": outcome.state,
            "reason": outcome.reason,
            "live": pointer and pointer.stable,
            "previous": pointer and pointer.previous,
        }
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
    if outcome.state == "rejected":
        sys.exit(1)

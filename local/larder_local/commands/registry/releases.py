"""``larder releases``."""

import json

import click

from larder_local.commands.registry.options import digests_option, listed_model, open_existing, store_option
from larder_local.console import print_table, size
from larder_local.workspace import Workspace


@click.command("releases")
@click.argument("model")
@store_option
@digests_option
@click.option("--json", "as_json", is_flag=True, help="Print the releases as JSON.")
def command(model: str, store: str | None, *, digests: bool, as_json: bool) -> None:
    """List all releases of MODEL, newest first: state, date, quality and sizes.

    \b
    live        answers requests
    previous    was live before; `larder rollback` goes back to it
    canary      answers a share of the callers
    uploaded    is in the store, and none of the others
    rejected    failed a check of the rollout
    damaged     lacks a file, or has other bytes than its manifest states
    local only  was trained on this machine and is not in the store
    """  # noqa: D301  \b is click's mark of a paragraph that keeps its lines
    workspace = Workspace.current()
    listed = listed_model(workspace, open_existing(workspace, store), model, digests=digests)
    if as_json:
        entries = [entry.document() for entry in listed.releases]
        click.echo(json.dumps({"model": model, "releases": entries}, ensure_ascii=False, indent=2))
        return
    print_table(
        ["release", "state", "created", "quality (95 %)", "in the store", "on this machine"],
        [
            [
                entry.release,
                entry.state,
                entry.created or "-",
                entry.quality.short() if entry.quality else "-",
                size(entry.stored_bytes) if entry.stored_bytes else "-",
                size(entry.local_bytes) if entry.local_bytes else "-",
            ]
            for entry in listed.releases
        ],
        right=("in the store", "on this machine"),
    )
    if listed.problem:
        click.echo(f"{model}: live.json cannot be read: {listed.problem}")
    for entry in listed.releases:
        if entry.reason:
            reason = " ".join(entry.reason.split())
            click.echo(f"{entry.release} is {entry.state}: {reason}")

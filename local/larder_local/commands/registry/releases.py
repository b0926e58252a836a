"""``larder releases``."""

import json

import click

from larder_local.commands.registry.options import digests_option, listed_model, open_existing, store_option
from larder_local.console import print_table, size
from larder_local.workspace import Workspace

_STATES = ("live", "previous", "canary", "uploaded", "rejected", "damaged", "local only")


@click.command("releases")
@click.argument("model")
@store_option
@digests_option
@click.option("-n", "most", type=click.IntRange(1), help="Show at most this many [default: all].")
@click.option("--state", type=click.Choice(_STATES), help="Only releases in this state.")
@click.option("--from", "first", metavar="DATE", default="", help="Only those created since, such as 2026-01-02.")
@click.option("--text", default="", help="Only those whose name contains this.")
@click.option("--above", type=float, help="Only those whose quality is at least this.")
@click.option("--json", "as_json", is_flag=True, help="Print the releases as JSON.")
def command(
    model: str,
    most: int | None,
    state: str | None,
    first: str,
    text: str,
    above: float | None,
    store: str | None,
    *,
    digests: bool,
    as_json: bool,
) -> None:
    """List the releases of MODEL, newest first: state, date, quality and sizes.

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
    shown = [
        entry
        for entry in listed.releases
        if (state is None or entry.state == state)
        and (entry.created or "") >= first
        and text in entry.release
        and (above is None or (entry.quality is not None and entry.quality.score.value >= above))
    ][:most]
    if as_json:
        entries = [entry.document() for entry in shown]
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
            for entry in shown
        ],
        right=("in the store", "on this machine"),
    )
    if listed.problem:
        click.echo(f"{model}: live.json cannot be read: {listed.problem}")
    for entry in shown:
        if entry.reason:
            reason = " ".join(entry.reason.split())
            click.echo(f"{entry.release} is {entry.state}: {reason}")

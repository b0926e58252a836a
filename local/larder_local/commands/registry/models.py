"""``larder models``."""

import json

import click

from larder_local.commands.registry.options import digests_option, open_existing, store_option
from larder_local.console import print_table, size
from larder_local.workspace import Workspace


@click.command("models")
@store_option
@digests_option
@click.option("--json", "as_json", is_flag=True, help="Print the models as JSON.")
def command(store: str | None, *, digests: bool, as_json: bool) -> None:
    """List all models: kind, state, live release, quality and size.

    The models are those of the store and those that were trained on this machine. The state is live, not live, or
    damaged: then the live release, or the pointer to it, cannot be used. The quality is that of the live release, else
    of the newest. The size is that of all releases, in the store and on this machine.
    """
    from larder_local.releases.listing import list_models

    workspace = Workspace.current()
    models = list_models(workspace, open_existing(workspace, store), digests=digests)
    if as_json:
        click.echo(json.dumps({"models": [entry.document() for entry in models]}, ensure_ascii=False, indent=2))
        return
    if not models:
        click.echo("There is no model yet. Next: larder train classifier IMAGES --model NAME, or larder up for a demo.")
        return
    rows = []
    for entry in models:
        shown = entry.shown
        rows.append(
            [
                entry.model,
                (shown and shown.kind) or "-",
                entry.state,
                entry.live.release if entry.live else "-",
                shown.quality.short() if shown and shown.quality else "-",
                str(len(entry.releases)),
                size(entry.total_bytes),
            ]
        )
    print_table(
        ["model", "kind", "state", "live release", "quality (95 %)", "releases", "size"],
        rows,
        right=("releases", "size"),
    )
    for entry in models:
        for problem in entry.problems:
            click.echo(f"{entry.model}: {problem}")

"""``larder events log``."""

import click

from larder_local.commands.registry.options import open_existing, store_option
from larder_local.console import print_table
from larder_local.workspace import Workspace


@click.command("log")
@click.argument("model")
@store_option
def command(model: str, store: str | None) -> None:
    """Show the log of MODEL by day: rows, of how many files, and what a compaction would leave out.

    It reads every object of the log.
    """
    from larder.events.log.counts import count_days
    from larder.release.keys import check_model

    opened = open_existing(Workspace.current(), store)
    counts = count_days(opened, check_model(model)) if opened else []
    if not counts:
        click.echo(f"{model} has no log: turn events on by `larder events on {model}`, and send some.")
        return
    rows = [(day.kind, day.day, day.rows, day.duplicates, day.parts, day.bytes) for day in counts]
    print_table(("kind", "day", "rows", "duplicates", "parts", "bytes"), [[str(cell) for cell in row] for row in rows])

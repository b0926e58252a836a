"""``larder events compact``."""

import click

from larder_local.commands.registry.options import open_existing, store_option
from larder_local.console import print_table
from larder_local.workspace import Workspace


@click.command("compact")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@store_option
def command(models: tuple[str, ...], store: str | None) -> None:
    """Make one file of each day of the log, without duplicates, and remove users who asked, as the schedule does.

    Without MODEL, of all models. It may run at any time, also beside the schedule and while events come.
    """
    from larder.events.log.compaction import compact
    from larder.events.log.forgetting import forget
    from larder.release.keys import check_model

    opened = open_existing(Workspace.current(), store)
    made = compact(opened, [check_model(model) for model in models] or None) if opened else None
    forgotten = forget(opened) if opened else 0
    if forgotten:
        click.echo(f"Removed {forgotten} users who had asked for it.")
    if made is None or not (made.days or made.expired or made.problems or forgotten):
        click.echo("Nothing to do: no day of the log has rows that are not in its file yet.")
        return
    rows = [(f"{day.model}/{day.kind}", day.day, day.parts, day.rows, day.duplicates, day.bytes) for day in made.days]
    if rows:
        print_table(
            ("log", "day", "parts", "rows", "duplicates", "bytes"), [[str(cell) for cell in row] for row in rows]
        )
    if made.expired:
        click.echo(f"Deleted {made.expired} days that are older than log_days.")
    if made.problems:
        raise click.ClickException("\n".join(made.problems))

"""``larder events compact``."""

from typing import TYPE_CHECKING

import click

from larder_local.commands.registry.options import open_existing, store_option
from larder_local.console import print_table
from larder_local.workspace import Workspace
from larder_training.reporting.counts import counted

if TYPE_CHECKING:  # obstore is slow to import: --help does without it
    from larder.events.log.compaction import Compaction

_NOTHING = "Nothing to do: no day of the log has rows that are not in its file yet."


@click.command("compact")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@store_option
def command(models: tuple[str, ...], store: str | None) -> None:
    """Make one file of each day of the log, remove users who asked, and count what recommendations earned.

    The schedule does the same. Without MODEL, of all models. It may run at any time, also beside the schedule and while
    events come.
    """
    from larder.events.attribution.update import attribute
    from larder.events.log.compaction import compact
    from larder.events.log.forgetting import forget
    from larder.release.keys import check_model

    opened = open_existing(Workspace.current(), store)
    if opened is None:
        click.echo(_NOTHING)
        return
    names = [check_model(model) for model in models] or None
    made, forgotten, attributed = compact(opened, names), forget(opened), attribute(opened, names)
    if forgotten:
        click.echo(f"Removed {counted(forgotten, 'user')}.")
    _print_days(made)
    if attributed.days:
        click.echo(f"Counted what recommendations of {counted(len(attributed.days), 'day')} earned.")
    elif not (made.days or made.expired or made.problems or forgotten or attributed.problems):
        click.echo(_NOTHING)
    if problems := [*made.problems, *attributed.problems]:
        raise click.ClickException("\n".join(problems))


def _print_days(made: "Compaction") -> None:
    rows = [(f"{day.model}/{day.kind}", day.day, day.parts, day.rows, day.duplicates, day.bytes) for day in made.days]
    if rows:
        print_table(
            ("log", "day", "parts", "rows", "duplicates", "bytes"), [[str(cell) for cell in row] for row in rows]
        )
    if made.expired:
        click.echo(f"Deleted {counted(made.expired, 'day')} older than log_days.")

"""``larder events redrive``."""

import click

from larder_local.workspace import Workspace


@click.command("redrive")
@click.option(
    "--queue", metavar="URL", help="The physical id of the stack's EventsQueue. Default: the queue of this folder."
)
def command(queue: str | None) -> None:
    """Let the events that could not be written to the log come again.

    First remove the reason, which the log of the function EventLogFunction has. It needs the usual AWS_ variables.
    """
    from larder.events.opening import open_queue

    opened = open_queue(queue or Workspace.current().events)
    try:
        count = opened.redrive()
    finally:
        opened.close()
    click.echo(f"{count} messages come again." if count else "Nothing to do: the queue has no dead letters.")

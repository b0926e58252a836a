"""``larder events report``."""

import time
from typing import TYPE_CHECKING

import click

from larder_local.commands.registry.options import open_existing, store_option
from larder_local.console import print_table
from larder_local.workspace import Workspace

if TYPE_CHECKING:  # obstore is slow to import: --help does without it
    from larder.events.statistics import EventStatistics

_TRENDING = 10


@click.command("report")
@click.argument("model")
@store_option
def command(model: str, store: str | None) -> None:
    """Show what MODEL's recommendations earned by release, and which items are trending.

    A release is named by the first 8 digits of its digest, which end its name.
    """
    from larder.events.statistics import EventStatistics, read_statistics, trending

    opened = open_existing(Workspace.current(), store)
    statistics = read_statistics(opened, model)[0] if opened else EventStatistics()
    if not statistics.rows:
        click.echo(f"No event of {model} was counted yet: turn events on by `larder events on {model}`, and send some.")
        return
    if statistics.releases:
        _print_releases(statistics)
    rising = trending(statistics, time.time(), _TRENDING)
    if rising:
        print_table(("trending item", "significance"), [[item, f"{value:.1f}"] for item, value in rising])


def _print_releases(statistics: "EventStatistics") -> None:
    rows = [
        [release, str(earned.get("", 0)), name or "-", str(count), _rate(count, earned.get("", 0))]
        for release, earned in statistics.releases.items()
        for name, count in (sorted((name, count) for name, count in earned.items() if name) or [("", 0)])
    ]
    print_table(("release", "recommendations", "event", "count", "for each 100"), rows)


def _rate(count: int, answers: int) -> str:
    return f"{100 * count / answers:.1f}" if answers else "-"

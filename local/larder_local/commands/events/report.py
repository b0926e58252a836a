"""``larder events report``."""

import time
from typing import TYPE_CHECKING, Final

import click

from larder_local.commands.registry.options import open_existing, store_option
from larder_local.console import print_table
from larder_local.workspace import Workspace

if TYPE_CHECKING:  # obstore is slow to import: --help does without it
    from larder.events.attribution.document import Earned
    from larder.events.attribution.report import By
    from larder.events.statistics import EventStatistics
    from larder.store import Store

_TRENDING: Final = 10
_BY: Final = ("release", "source", "position", "filter")  # those of larder.events.attribution.report


@click.command("report")
@click.argument("model")
@click.option("--by", type=click.Choice(_BY), default="release", show_default=True, help="What to compare.")
@click.option("--days", type=click.IntRange(1, 92), default=28, show_default=True, help="Of how many last days.")
@store_option
def command(model: str, by: "By", days: int, store: str | None) -> None:
    """Show what MODEL's recommendations earned, and which items are trending.

    An impression is an item in an answer. A rate is the share of impressions that have an event of the type, with its
    95 % interval. The daily compaction counts them, as does `larder events compact`. Before the first, answers and
    events are shown as they came, by the first 8 digits of the release's digest, which end its name.
    """
    from larder.events.statistics import EventStatistics, read_statistics, trending

    opened = open_existing(Workspace.current(), store)
    statistics = read_statistics(opened, model)[0] if opened else EventStatistics()
    if not (opened and _print_earned(opened, model, by, days)):
        if not statistics.rows:
            click.echo(f"No event of {model} is counted yet: turn events on by `larder events on {model}`, send some.")
            return
        _print_uncounted(statistics)
    rising = trending(statistics, time.time(), _TRENDING)
    if rising:
        print_table(("trending item", "significance"), [[item, f"{value:.1f}"] for item, value in rising])


def _print_earned(store: "Store", model: str, by: "By", days: int) -> bool:
    from larder.events.attribution.report import earned_by, last_days, read_attribution

    groups = earned_by(read_attribution(store, model, *last_days(days)), by)
    rows = [row for name, earned in groups.items() for row in _rows(name or "-", earned)]
    if rows:
        columns = (by, "impressions", "event", "count", "rate", "95 % interval", "value")
        print_table(columns, rows, right=("impressions", "count", "rate", "value"))
    return bool(rows)


def _print_uncounted(statistics: "EventStatistics") -> None:
    rows = [
        [release, str(earned.get("", 0)), name or "-", str(count)]
        for release, earned in statistics.releases.items()
        for name, count in (sorted((name, count) for name, count in earned.items() if name) or [("", 0)])
    ]
    if rows:
        print_table(("release", "recommendations", "event", "count"), rows)


def _rows(name: str, earned: "Earned") -> list[list[str]]:
    from larder.events.attribution.report import wilson

    shown = f"{earned.impressions:,}"
    rows = []
    for type_, count in sorted(earned.events.items()):
        low, high = wilson(count.impressions, earned.impressions)
        rate = f"{100 * count.impressions / earned.impressions:.2f} %"
        interval = f"{100 * low:.2f} to {100 * high:.2f} %"
        rows.append([name, shown, type_, f"{count.events:,}", rate, interval, f"{count.value:,.2f}"])
    return rows or [[name, shown, "-", "0", "-", "-", "-"]]

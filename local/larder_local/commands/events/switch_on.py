"""``larder events on``."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from larder_local.commands.events.options import print_next, print_settings, store_of
from larder_local.commands.registry.options import store_option

if TYPE_CHECKING:  # obstore is slow to import: --help does without it
    from larder.events.settings import AttributionMetric


def _metrics(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> "tuple[AttributionMetric, ...]":
    """The metrics of NAME=TYPE:COUNT or NAME=TYPE:SUM."""
    from larder.events.settings import AttributionMetric

    metrics = []
    for value in values:
        name, _equals, rest = value.partition("=")
        type_, _colon, expression = rest.rpartition(":")
        if not (name and type_ and expression.upper() in {"COUNT", "SUM"}):
            raise click.BadParameter(f"{value!r} is not NAME=TYPE:COUNT or NAME=TYPE:SUM, such as revenue=purchase:SUM")
        metrics.append(AttributionMetric(name, type_, expression.upper()))
    return tuple(metrics)


@click.command("on")
@click.argument("model")
@click.option(
    "--hide", "hidden", multiple=True, metavar="TYPE", help="Event type after which an item is hidden; may be repeated."
)
@click.option("--recent", "recent_events", type=int, help="Newest events of a user that an answer considers, 1 to 100.")
@click.option("--history-days", type=int, help="Days that a history lives after its last event.")
@click.option("--log-days", type=int, help="Days that the log keeps events; 0 for ever.")
@click.option("--exploration-weight", type=float, help="Share of places for new items, 0 to 1; 0 for none.")
@click.option("--exploration-days", type=int, help="Age in days up to which an item is new.")
@click.option(
    "--log-recommendations/--no-log-recommendations",
    "logs_recommendations",
    default=None,
    help="Whether each answer is logged, so that events can be attributed to it.",
)
@click.option(
    "--tracking-id",
    metavar="ID",
    help="By which clients of Personalize name the model, to keep the one that they have.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME=TYPE:COUNT|SUM",
    callback=_metrics,
    help="Metric of attributed events: their number, or the sum of their values; may be repeated. They replace those "
    "of before.",
)
@click.option("--no-metrics", is_flag=True, help="Remove the metrics.")
@store_option
def command(model: str, store: str | None, *, no_metrics: bool, **options: Any) -> None:  # noqa: ANN401  # one for each setting
    """Let the recommender MODEL take events; its answers read them. Other options keep their values.

    Functions that run know it within 30 seconds.
    """
    from larder.events.settings import change_settings

    changes = {name: value for name, value in options.items() if value not in (None, ())}
    if no_metrics:
        changes = {"metrics": (), **changes}
    opened = store_of(model, store)
    settings = change_settings(opened, model, lambda current: replace(current, enabled=True, **changes))
    print_settings(settings)
    print_next(model)

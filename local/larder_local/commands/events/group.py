"""``larder events``."""

from typing import Final

import click

from larder_local.lazy_group import LazyGroup

_COMMANDS: Final = {
    "on": ("larder_local.commands.events.switch_on", "Let a recommender take events, or change its settings."),
    "off": ("larder_local.commands.events.switch_off", "Let a recommender take no more events."),
    "log": ("larder_local.commands.events.log", "Show the log of a recommender's events by day."),
    "report": ("larder_local.commands.events.report", "Show what recommendations earned, and what is trending."),
    "compact": ("larder_local.commands.events.compact", "Make one file of each day of the log, without duplicates."),
    "redrive": ("larder_local.commands.events.redrive", "Let events come again that could not be logged."),
    "snippet": ("larder_local.commands.events.snippet", "Print the HTML by which a page sends events."),
    "show": ("larder_local.commands.events.show", "Show the settings of a recommender's events."),
}


@click.group("events", cls=LazyGroup, modules=_COMMANDS)
def command() -> None:
    """Live events: what users just did changes what they see next, and the training data grow."""

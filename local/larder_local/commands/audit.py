"""``larder audit``: checks training data."""

from typing import Final

import click

from larder_local.lazy_group import LazyGroup

_COMMANDS: Final = {
    "classifier": (
        "larder_training.cli.audit_classifier",
        "Find unreadable images, duplicates, rare labels and label errors.",
    ),
    "recommender": (
        "larder_training.cli.audit_recommender",
        "Find bots, gaps, wrong timestamps, and ids that do not match across files.",
    ),
}


@click.group("audit", cls=LazyGroup, modules=_COMMANDS)
def command() -> None:
    """Check training data before a training; the data stay unchanged."""

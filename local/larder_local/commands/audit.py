"""``larder audit``: looks through training data."""

from typing import Final

import click

from larder_local.lazy_group import LazyGroup

_KINDS: Final = {
    "classifier": ("larder_training.cli.audit_classifier", "Find bad, double, rare and wrongly labelled photos."),
    "recommender": ("larder_training.cli.audit_recommender", "Find robots, gaps, stray clocks, ids that do not meet."),
}


@click.group("audit", cls=LazyGroup, modules=_KINDS)
def command() -> None:
    """Look through training data before anything is learnt from it; nothing is changed."""

"""``larder train``: the trainings' own command lines, side by side."""

from typing import Final

import click

from larder_local.lazy_group import LazyGroup

_KINDS: Final = {
    "classifier": ("larder_training.cli.train_classifier", "Train an image classifier from labelled photos."),
    "recommender": ("larder_training.cli.train_recommender", "Train a recommender from a log of events."),
}


@click.group("train", cls=LazyGroup, modules=_KINDS)
def command() -> None:
    """Train a model and write a release folder with its report."""

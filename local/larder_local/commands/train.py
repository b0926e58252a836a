"""``larder train``."""

from typing import Final

import click

from larder_local.lazy_group import LazyGroup

_COMMANDS: Final = {
    "classifier": ("larder_training.cli.train_classifier", "Train an image classifier on labelled images."),
    "recommender": ("larder_training.cli.train_recommender", "Train a recommender on a log of interactions."),
}


@click.group("train", cls=LazyGroup, modules=_COMMANDS)
def command() -> None:
    """Train a model and write a release folder with its report."""

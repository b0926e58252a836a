"""The ``larder`` command."""

import logging
import signal
import sys
from typing import Final

import click

from larder.errors import LarderError
from larder_local.lazy_group import LazyGroup

_COMMANDS: Final = {
    "up": ("larder_local.commands.up", "Start the whole service on this machine; train the demo the first time."),
    "train": ("larder_local.commands.train", "Train a classifier or a recommender and write a release."),
    "audit": ("larder_local.commands.audit", "Look through photos or a log before training on them."),
    "evaluate": ("larder_local.commands.evaluate", "Measure a release on data it has not seen."),
    "export": ("larder_local.commands.export", "Write a classifier as a folder that runs without Larder."),
    "publish": ("larder_local.commands.publish", "Upload a release, verify it, and make it answer."),
    "classify": ("larder_local.commands.classify", "Ask the service for labels of pictures."),
    "recommend": ("larder_local.commands.recommend", "Ask the service for a user's items."),
    "models": ("larder_local.commands.models", "List the models that the service has."),
    "demo": ("larder_local.commands.demo", "Write the demo's training data into a folder."),
}


@click.group(cls=LazyGroup, modules=_COMMANDS)
@click.version_option(package_name="larder")
def cli() -> None:
    """Model as a service: train, publish and serve image classifiers and recommenders.

    Exit status: 0 done, 1 refused or failed (the reason is on standard error), 2 wrong usage.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was begun is cleaned up
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("larder")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def main() -> None:
    """Runs the command line; an error that Larder raises on purpose, or the machine's files do, is one message and no
    stack trace.
    """
    try:
        cli()
    except LarderError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        click.echo(f"Error: {error}: make room or give access there, or work in another folder.", err=True)
        sys.exit(1)

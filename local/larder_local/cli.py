"""The ``larder`` command."""

import logging
import signal
import sys
from typing import Final

import click

from larder.errors import LarderError
from larder_local.lazy_group import LazyGroup

_COMMANDS: Final = {
    "up": ("larder_local.commands.up", "Start the service on this machine; the first start trains the demo models."),
    "train": ("larder_local.commands.train", "Train a classifier or a recommender and write a release."),
    "retrain": ("larder_local.commands.retrain", "Train a model again as its live release was, and publish it."),
    "schedule": ("larder_local.commands.schedule", "Show or change when a model is trained again by itself."),
    "audit": ("larder_local.commands.audit", "Check images or interactions before a training."),
    "split": (
        "larder_training.cli.split",
        "Cut a log of interactions by time, to train on one part and test on the other.",
    ),
    "backbones": ("larder_training.cli.backbones", "List the pretrained networks that a classifier can be trained on."),
    "backbone": ("larder_training.cli.backbone", "Register a pretrained network of your own, or remove it."),
    "evaluate": ("larder_local.commands.evaluate", "Evaluate a release on held-out data."),
    "drift": ("larder_local.commands.drift", "Compare what a classifier is asked about with its training images."),
    "export": ("larder_local.commands.export", "Export a classifier to a folder that runs without Larder."),
    "publish": ("larder_local.commands.rollout.publish", "Upload a release, verify it, and make it answer."),
    "classify": ("larder_local.commands.classify", "Classify images with the service."),
    "recommend": ("larder_local.commands.recommend", "Get recommendations for a user from the service."),
    "models": ("larder_local.commands.registry.models", "List all models: state, live release, quality, size."),
    "releases": ("larder_local.commands.registry.releases", "List releases of a model with their states."),
    "filters": ("larder_local.commands.registry.filters", "Store filters beside a model, for requests to name."),
    "events": ("larder_local.commands.events.group", "Live events of a recommender: on, off, settings."),
    "compare": ("larder_local.commands.registry.compare", "Compare two releases of a model."),
    "history": ("larder_local.commands.rollout.history", "Show which releases of a model were live."),
    "reject": ("larder_local.commands.rollout.reject", "Keep a release from going live."),
    "policy": ("larder_local.commands.rollout.policy", "Show or change what a model requires of a new release."),
    "canary": ("larder_local.commands.canary.group", "The release that answers a share of a model's callers."),
    "promote": ("larder_local.commands.rollout.promote", "Make a release live that a rollout has checked."),
    "rollback": ("larder_local.commands.rollout.rollback", "Make an earlier release of a model answer again."),
    "rm": ("larder_local.commands.registry.rm", "Remove releases from the store and from this machine."),
    "aliases": ("larder_local.commands.registry.aliases", "Let other names, such as ARNs, mean a model."),
    "status": ("larder_local.commands.registry.status", "Show whether the service answers, and all problems."),
    "users": ("larder_local.commands.users.group", "Export and remove what is stored of users."),
    "keys": ("larder_local.commands.keys.group", "Issue, list, revoke and rotate the API keys of a store."),
    "demo": ("larder_local.commands.demo", "Write the training data of the demo to a folder."),
}


@click.group(cls=LazyGroup, modules=_COMMANDS)
@click.version_option(package_name="larder")
def cli() -> None:
    """Model as a service: train, publish and serve image classifiers and recommenders.

    Exit status: 0 for success; 1 for a refusal or a failure, with the reason on standard error; 2 for wrong usage.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that unfinished work is cleaned up
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("larder")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def main() -> None:
    """Runs the command line; a LarderError or an OSError ends it with one message and without a stack trace."""
    try:
        cli()
    except LarderError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        click.echo(f"Error: {error}: free some space or change the permissions, or work in another folder.", err=True)
        sys.exit(1)

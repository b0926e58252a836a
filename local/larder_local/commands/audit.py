"""``larder audit``: looks through training data."""

from typing import Final

import click

from larder_local.lazy import LazyGroup

_KINDS: Final = {
    "classifier": ("larder_training.classifier.audit_cli", "Find bad, double, rare and wrongly labelled photos."),
}


@click.group("audit", cls=LazyGroup, modules=_KINDS)
def command() -> None:
    """Look through training data before anything is learnt from it; nothing is changed."""

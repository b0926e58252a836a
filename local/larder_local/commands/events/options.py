"""What the commands of this folder share: the store of a model, and how settings are printed."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from larder_local.commands.registry.options import listed_model, open_existing
from larder_local.console import print_table
from larder_local.workspace import Workspace

if TYPE_CHECKING:  # obstore is slow to import: --help does without it
    from larder.events.settings import AttributionMetric, EventSettings
    from larder.store import Store


def store_of(model: str, store: str | None) -> "Store":
    """The store, if it has the model; raises InvalidRequest with the nearest names."""
    from larder.store import open_store

    workspace = Workspace.current()
    listed_model(workspace, open_existing(workspace, store), model)
    return open_store(store or workspace.store)


def print_settings(settings: "EventSettings") -> None:
    """Print each setting with its value."""
    metrics = ", ".join(_metric(metric) for metric in settings.metrics)
    values = {**asdict(settings), "hidden": ", ".join(settings.hidden), "metrics": metrics}
    print_table(("setting", "value"), [[name, _text(value)] for name, value in values.items()])


def print_next(model: str) -> None:
    """Say how to send an event."""
    click.echo(f"Send events: POST /v1/models/{model}/events. The next recommendation has them.")


def _metric(metric: "AttributionMetric") -> str:
    return f"{metric.name}={metric.event_type}:{metric.expression}"


def _text(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value) or "none"

"""``larder events off``."""

from dataclasses import replace

import click

from larder_local.commands.events.options import store_of
from larder_local.commands.registry.options import store_option


@click.command("off")
@click.argument("model")
@store_option
def command(model: str, store: str | None) -> None:
    """Let the recommender MODEL take no more events; its other settings stay, and so does its log."""
    from larder.events.settings import change_settings

    change_settings(store_of(model, store), model, lambda settings: replace(settings, enabled=False))
    click.echo(f"{model} takes no events. Turn them on again: larder events on {model}")

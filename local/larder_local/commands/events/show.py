"""``larder events show``."""

import json
from dataclasses import asdict

import click

from larder_local.commands.events.options import print_settings, store_of
from larder_local.commands.registry.options import store_option


@click.command("show")
@click.argument("model")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the settings as JSON.")
def command(model: str, store: str | None, *, as_json: bool) -> None:
    """Show the settings of the events of MODEL."""
    from larder.events.settings import read_settings

    settings, _ = read_settings(store_of(model, store), model)
    if as_json:
        click.echo(json.dumps(asdict(settings), ensure_ascii=False, indent=2))
        return
    print_settings(settings)
    if not settings.enabled:
        click.echo(f"{model} takes no events. Turn them on: larder events on {model}")

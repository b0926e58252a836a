"""``larder events snippet``."""

from html import escape
from typing import Final

import click

from larder_local.commands.events.options import store_of
from larder_local.commands.registry.options import store_option
from larder_local.workspace import Workspace

_PLACEHOLDER: Final = "https://..."


@click.command("snippet")
@click.argument("model")
@click.option("--url", help="The service's address [default: that of this folder's service].")
@store_option
def command(model: str, url: str | None, store: str | None) -> None:
    """Print the HTML by which a page sends the events of MODEL, and how to make its key."""
    from larder.events.settings import read_settings

    settings, _ = read_settings(store_of(model, store), model)
    running = None if url or store else Workspace.current().running_service()
    click.echo(_html(model, url or (running.url if running else _PLACEHOLDER)))
    if not settings.enabled:
        click.echo(f"\n{model} takes no events yet. Turn them on: larder events on {model}")
    where = f" --store {store}" if store else ""
    click.echo(
        f"""
KEY is a key that may send events of {model} and nothing else, since everyone can read it in the page:
      larder keys add events:{model} --rate 50 --description "pages"{where}

When a visitor clicks:  larder("click", {{item: "p0007"}})
When they log in:       larder.user = "u0001", or data-user="u0001" in the script's tag
When they log out:      larder.reset()
""".rstrip()
    )


def _html(model: str, url: str) -> str:
    source = escape(f"{url.rstrip('/')}/events.js")
    return (
        "<script>window.larder ??= (...call) => (larder.q ??= []).push(call)</script>\n"
        f'<script async src="{source}" data-model="{model}" data-key="KEY"></script>'
    )

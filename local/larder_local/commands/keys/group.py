"""``larder keys``."""

from typing import Final

import click

from larder_local.lazy_group import LazyGroup

_COMMANDS: Final = {
    "add": ("larder_local.commands.keys.add", "Make a key, and print its secret once."),
    "list": ("larder_local.commands.keys.listing", "List all keys: what they may do, and whether they are valid."),
    "show": ("larder_local.commands.keys.show", "Show one key."),
    "revoke": ("larder_local.commands.keys.revoke", "Make a key invalid for good."),
    "rotate": ("larder_local.commands.keys.rotate", "Give a key a new secret; the old one stays valid for a while."),
}


@click.group("keys", cls=LazyGroup, modules=_COMMANDS)
def command() -> None:
    """Issue, list, revoke and rotate the API keys of a store."""

"""``larder users``."""

from typing import Final

import click

from larder_local.lazy_group import LazyGroup

_COMMANDS: Final = {
    "rm": ("larder_local.commands.users.rm", "Remove a user, and print the receipt."),
    "receipt": ("larder_local.commands.users.receipt", "Show what of a removal is done."),
    "export": ("larder_local.commands.users.export", "Print what is stored of a user."),
}


@click.group("users", cls=LazyGroup, modules=_COMMANDS)
def command() -> None:
    """Export and remove what live events stored of users."""

"""``larder users receipt``."""

import click

from larder_local import service
from larder_local.commands.users.options import json_option, print_receipt


@click.command("receipt")
@click.argument("receipt")
@json_option
def command(receipt: str, *, as_json: bool) -> None:
    """Show what of the removal with this RECEIPT is done, and what is left.

    The service is the one at LARDER_URL [default: the `larder up` of this folder].
    """
    with service.connect() as client:
        print_receipt(client.deletion(receipt), as_json=as_json)

"""``larder users rm``."""

import click

from larder_local import service
from larder_local.commands.users.options import json_option, print_receipt


@click.command("rm")
@click.argument("user")
@click.option("--model", help="One model [default: all].")
@json_option
def command(user: str, model: str | None, *, as_json: bool) -> None:
    """Remove USER: recent history at once, the log by its next compaction, releases by the next training.

    The service is the one at LARDER_URL [default: the `larder up` of this folder]. Its key needs the scope privacy.
    """
    with service.connect(model) as client:
        print_receipt(client.remove_user(user, model=model), as_json=as_json)

"""``larder keys revoke``."""

import time
from typing import TYPE_CHECKING

import click

from larder_local.commands.keys.options import kms_option, open_keys
from larder_local.commands.registry.options import store_option

if TYPE_CHECKING:
    from larder.auth.keys import Key


@click.command("revoke")
@click.argument("key_ids", metavar="ID...", nargs=-1, required=True)
@store_option
@kms_option
def command(key_ids: tuple[str, ...], store: str | None, kms_key: str | None) -> None:
    """Make each key ID invalid for good, and its access tokens with it.

    Functions refuse it within 30 seconds. Its secret is deleted from the store; `larder keys list` still shows the key.
    """
    keys = open_keys(store, kms_key)
    for key_id in key_ids:
        keys.replace(key_id, _revoked)
        click.echo(f"{key_id} is revoked: every function refuses it within 30 seconds.")


def _revoked(key: "Key") -> "Key":
    return key if key.revoked is not None else key._replace(secrets=(), revoked=int(time.time()))

"""``larder keys rotate``."""

import time
from typing import TYPE_CHECKING

import click

from larder.errors import InvalidRequest
from larder_local.commands.keys.options import Duration, Expiry, json_option, kms_option, open_keys, print_secret
from larder_local.commands.registry.options import store_option

if TYPE_CHECKING:
    from larder.auth.keys import Key


@click.command("rotate")
@click.argument("key_id", metavar="ID")
@click.option(
    "--overlap",
    type=Duration(),
    default="1h",
    show_default=True,
    help="How long the old secret stays valid, so that all users of the key can change to the new one; 0s ends it now.",
)
@click.option("--expires", type=Expiry(), help="When the key ends, in place of its present expiry: 90d, or a date.")
@store_option
@kms_option
@json_option
def command(
    key_id: str, overlap: int, expires: int | None, store: str | None, kms_key: str | None, *, as_json: bool
) -> None:
    """Give the key ID a new secret, and print it, once. Id, scopes and limits stay."""
    from larder.auth.keys import format_time
    from larder_local.keys.issue import new_secret

    now = int(time.time())
    plain = ""

    def change(key: "Key") -> "Key":
        nonlocal plain
        if key.revoked is not None:
            raise InvalidRequest(f"{key.id} is revoked: make another key with `larder keys add`.")
        secret, plain = new_secret(signs=key.signs)
        old = [
            entry._replace(until=min(entry.until or now + overlap, now + overlap)) for entry in key.valid_secrets(now)
        ]
        return key._replace(secrets=(secret, *(old if overlap else ())), expires=expires or key.expires)

    key = open_keys(store, kms_key).replace(key_id, change)
    print_secret(key, plain, as_json=as_json, local=not store)
    if not as_json:
        click.echo()
        end = f"is valid until {format_time(now + overlap)}" if overlap else "is invalid within 30 seconds"
        click.echo(f"The old secret {end}.")

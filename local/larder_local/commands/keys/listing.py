"""``larder keys list``."""

import json
import time

import click

from larder_local.commands.keys.options import document, json_option, open_keys
from larder_local.commands.registry.options import store_option
from larder_local.console import print_table


@click.command("list")
@store_option
@json_option
def command(store: str | None, *, as_json: bool) -> None:
    """List all keys: scopes, state, expiry and limit; no secrets."""
    from larder.auth.keys import format_time

    keys = sorted(open_keys(store).read().values(), key=lambda key: (key.created, key.id))
    if as_json:
        click.echo(json.dumps({"keys": [document(key) for key in keys]}, ensure_ascii=False, indent=2))
        return
    if not keys:
        click.echo("There is no key yet. Next: larder keys add 'classify:*' 'recommend:*' --expires 90d")
        return
    now = time.time()
    print_table(
        ["id", "description", "scopes", "state", "expires", "signs", "rate"],
        [
            [
                key.id,
                key.description or "-",
                " ".join(map(str, key.scopes)),
                key.state(now),
                "-" if key.expires is None else format_time(key.expires)[:10],
                "yes" if key.signs else "no",
                "-" if key.rate is None else f"{key.rate:g}/s, {key.burst} at once",
            ]
            for key in keys
        ],
    )

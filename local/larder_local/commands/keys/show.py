"""``larder keys show``."""

import json

import click

from larder_local.commands.keys.options import document, json_option, open_keys
from larder_local.commands.registry.options import store_option


@click.command("show")
@click.argument("key_id", metavar="ID")
@store_option
@json_option
def command(key_id: str, store: str | None, *, as_json: bool) -> None:
    """Show the key ID: everything but its secret, which is shown only when it is made."""
    shown = document(open_keys(store).get(key_id))
    if as_json:
        click.echo(json.dumps(shown, ensure_ascii=False, indent=2))
        return
    for name, value in shown.items():
        click.echo(f"{name.replace('_', ' '):14} {_text(value)}")


def _text(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(entry) for entry in value) or "none"
    if isinstance(value, dict):
        return f"until {value['until']}" if value["until"] else "no end"
    return str(value)

"""What the commands of this folder share: how a receipt is printed."""

import json
from datetime import datetime

import click

from larder_client import Deletion
from larder_local.console import print_table

json_option = click.option("--json", "as_json", is_flag=True, help="Print the response as JSON.")


def print_receipt(deletion: Deletion, *, as_json: bool) -> None:
    """Print a receipt, and what is left to do."""
    if as_json:
        click.echo(json.dumps(deletion.document, ensure_ascii=False, indent=2))
        return
    rows = {
        "receipt": deletion.receipt,
        "models": ", ".join(deletion.models) or "none",
        "requested": _text(deletion.requested),
        "recent history": f"removed {_text(deletion.live)}",
        "log": f"removed {_text(deletion.log)}"
        if deletion.log
        else f"by the compaction until {_text(deletion.log_due)}",
        "releases": ", ".join(f"{model} {release}" for model, release in deletion.releases) or "none",
    }
    print_table(("removal", "state"), [[name, value] for name, value in rows.items()])
    click.echo(_next(deletion))


def _next(deletion: Deletion) -> str:
    if deletion.done:
        return "Done: neither the log nor a release has the user."
    if deletion.log is None:
        return f"Next: the log's compaction. Then look again: larder users receipt {deletion.receipt}"
    return "These releases may have the user. Train again on the log, publish, and remove them: larder rm"


def _text(time: datetime | None) -> str:
    return "-" if time is None else f"{time:%Y-%m-%d %H:%M} UTC"

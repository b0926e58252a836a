"""``larder canary show``."""

import json

import click

from larder_local.commands.canary.options import canary_of
from larder_local.commands.registry.options import store_option


@click.command("show")
@click.argument("model")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the canary as JSON.")
def command(model: str, store: str | None, *, as_json: bool) -> None:
    """Show the canary of MODEL, and its share of the callers."""
    _, pointer, canary = canary_of(model, store)
    if as_json:
        document = {"model": model, "canary": canary, "percent": pointer.canary_percent, "live": pointer.stable}
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(f"{canary} answers {pointer.canary_percent} % of the callers of {model}, {pointer.stable} the others.")
    click.echo(f"Next: larder canary promote {model}, or larder canary stop {model}")

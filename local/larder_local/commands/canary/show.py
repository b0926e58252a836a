"""``larder canary show``."""

import json

import click

from larder_local.commands.canary.options import canary_of
from larder_local.commands.registry.options import store_option


@click.command("show")
@click.argument("model")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the canary as JSON, as the API answers it.")
def command(model: str, store: str | None, *, as_json: bool) -> None:
    """Show the canary of MODEL, its share of the callers, and how its metrics compare at the newest look.

    The intervals hold however often they are looked at. `larder up` looks by itself, and so does a stack on AWS.
    """
    from larder.registry import Registry
    from larder.registry.canaries import canary_document

    opened, _, _ = canary_of(model, store)
    document = canary_document(Registry(opened), model)
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    canary, live = document["canary"], document["live"]
    click.echo(f"{canary} answers {document['percent']} % of the callers of {model}, {live} the others.")
    if document["looked"] is None:
        click.echo(f"Its log has not been looked at yet: larder canary decide {model} does.")
        return
    requests = document["requests"]
    click.echo(
        f"Requests with a key until {document['looked']}: {requests['canary']:,} of the canary, "
        f"{requests['live']:,} of the live release."
    )
    for metric in document["metrics"]:
        click.echo(metric["sentence"])
    click.echo(f"Next: larder canary decide {model}, larder canary promote {model}, or larder canary stop {model}")

"""``larder canary show``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import IO

import click

from larder_local.commands.canary.options import canary_of, compared, log_option
from larder_local.commands.registry.options import store_option


@click.command("show")
@click.argument("model")
@log_option
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the canary as JSON.")
def command(model: str, logs: Sequence[IO[str]], store: str | None, *, as_json: bool) -> None:
    """Show the canary of MODEL, its share of the callers, and how its errors and latency compare.

    The intervals hold however often they are looked at. `larder canary decide` acts on them.
    """
    from larder.rollout.canary.watch import decide

    _, pointer, canary = canary_of(model, store)
    requests, comparisons = compared(model, canary, pointer.stable, logs)
    if as_json:
        document = {
            "model": model,
            "canary": canary,
            "percent": pointer.canary_percent,
            "live": pointer.stable,
            "requests": {"canary": requests[0], "live": requests[1]},
            "metrics": [{**asdict(entry), "verdict": entry.verdict} for entry in comparisons],
            "verdict": decide(comparisons),
        }
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(f"{canary} answers {pointer.canary_percent} % of the callers of {model}, {pointer.stable} the others.")
    click.echo(f"Requests with a key in the log: {requests[0]:,} of the canary, {requests[1]:,} of the live release.")
    for entry in comparisons:
        click.echo(entry.sentence())
    click.echo(f"Next: larder canary decide {model}, larder canary promote {model}, or larder canary stop {model}")

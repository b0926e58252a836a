"""``larder canary decide``."""

import sys
from collections.abc import Sequence
from typing import IO

import click

from larder_local.commands.canary.options import canary_of, compared, log_option
from larder_local.commands.registry.options import store_option


@click.command("decide")
@click.argument("model")
@log_option
@store_option
def command(model: str, logs: Sequence[IO[str]], store: str | None) -> None:
    """Promote or reject the canary of MODEL, as its log says, or wait for more requests.

    It is rejected if its share of errors is larger by more than half a point, or its latency by more than 10 %, beyond
    noise. It is promoted if neither can be. The command may run as often as you like, such as each minute: with equal
    releases, the probability of a wrong rejection is at most 5 % over all runs together.

    The exit status is 0 if it was promoted, 1 if it is rejected, and 3 if the requests do not suffice yet.
    """
    from larder.registry import Registry, Rejection
    from larder.registry.canaries import reject_canary
    from larder.rollout.canary.watch import decide
    from larder_local.releases.publishing import go_live

    opened, pointer, canary = canary_of(model, store)
    registry = Registry(opened)
    rejection = registry.rejection(model, canary)  # of a run that died before it ended the canary
    if rejection is None:
        requests, comparisons = compared(model, canary, pointer.stable, logs)
        for entry in comparisons:
            click.echo(entry.sentence())
        verdict = decide(comparisons)
        if verdict == "wait":
            click.echo(f"Undecided after {requests[0]:,} requests of the canary: {canary} stays the canary.")
            sys.exit(3)
        if verdict == "promote":
            sys.exit(1 if go_live(opened, model, canary, gate=False).state == "rejected" else 0)
        worse = " ".join(entry.sentence() for entry in comparisons if entry.verdict == "reject")
        rejection = Rejection(f"As the canary it was worse than the live {pointer.stable}. {worse}")
    reject_canary(registry, model, canary, rejection, by="larder")
    click.echo(f"Rejected {canary}: {pointer.stable} answers all callers of {model}.", err=True)
    sys.exit(1)

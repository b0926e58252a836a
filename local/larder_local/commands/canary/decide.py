"""``larder canary decide``."""

import sys

import click

from larder_local.commands.canary.options import canary_of, log_of
from larder_local.commands.registry.options import store_option


@click.command("decide")
@click.argument("model")
@store_option
def command(model: str, store: str | None) -> None:
    """Look at the canary of MODEL now: promote or reject it, or wait for more requests.

    `larder up` does so by itself, and so does a stack on AWS. It is rejected if a metric is worse by more than the
    margin of `larder policy`, beyond noise, and promoted if none can be, or if the policy says so after its hours. It
    may be looked at as often as you like: with equal releases, the probability of a wrong rejection is at most 5 % over
    all looks together.

    The exit status is 0 if it was promoted, 1 if it is rejected, and 3 if the requests do not suffice yet.
    """
    from larder.registry import Registry
    from larder.rollout.canary.ending import end
    from larder.rollout.canary.look import look

    opened, pointer, canary = canary_of(model, store)
    registry = Registry(opened)
    found = look(registry, model, log_of(opened))
    if found is None or found.release != canary:
        click.echo(f"{canary} has just ended as the canary of {model}: see larder history {model}", err=True)
        sys.exit(3)
    click.echo(found.sentence)
    if found.verdict == "wait":
        click.echo(f"Undecided after {found.requests[0]:,} requests of the canary: {canary} stays the canary.")
        sys.exit(3)
    end(registry, found, by="larder")
    if found.verdict == "reject":
        click.echo(f"Rejected {canary}: {pointer.stable} answers all callers of {model}.", err=True)
        sys.exit(1)
    click.echo(f"Promoted: {model} answers with {canary} in place of {pointer.stable}.")

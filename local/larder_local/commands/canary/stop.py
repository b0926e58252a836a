"""``larder canary stop``."""

import click

from larder_local.commands.canary.options import canary_of
from larder_local.commands.registry.options import store_option


@click.command("stop")
@click.argument("model")
@click.option(
    "--reject", "reason", metavar="REASON", help="Reject the release too, with this reason: it does not go live again."
)
@store_option
def command(model: str, reason: str | None, store: str | None) -> None:
    """Send all callers of MODEL to the live release again.

    The release that was the canary stays in the store, and can be published again.
    """
    from larder.registry import Registry, Rejection
    from larder.registry.canaries import end_canary, reject_canary

    opened, pointer, canary = canary_of(model, store)
    registry = Registry(opened)
    if reason is None:
        end_canary(registry, model, canary, by="larder")
    else:
        reject_canary(registry, model, canary, Rejection(reason), by="larder")
    rejected = " and is rejected" if reason is not None else ""
    click.echo(f"{canary} is no longer the canary{rejected}: {pointer.stable} answers all callers of {model}.")

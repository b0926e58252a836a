"""``larder canary promote``."""

import sys

import click

from larder_local.commands.canary.options import canary_of
from larder_local.commands.registry.options import store_option


@click.command("promote")
@click.argument("model")
@store_option
def command(model: str, store: str | None) -> None:
    """Let the canary of MODEL answer all callers: it becomes the live release.

    It is verified again and answers its golden requests again, as with `larder rollback`. The release that was live
    becomes the previous one.
    """
    from larder_local.releases.publishing import go_live

    opened, _, canary = canary_of(model, store)
    if go_live(opened, model, canary, gate=False).state == "rejected":
        sys.exit(1)

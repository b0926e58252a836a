"""``larder canary``."""

from typing import Final

import click

from larder_local.lazy_group import LazyGroup

_COMMANDS: Final = {
    "show": ("larder_local.commands.canary.show", "Show the canary of a model, and how it compares."),
    "decide": ("larder_local.commands.canary.decide", "Promote or reject the canary, as its log says, or wait."),
    "promote": ("larder_local.commands.canary.promote", "Let the canary of a model answer all callers."),
    "stop": ("larder_local.commands.canary.stop", "Send all callers to the live release again."),
}


@click.group("canary", cls=LazyGroup, modules=_COMMANDS)
def command() -> None:
    """A canary: a release that answers a share of the callers, which `larder publish --canary` starts.

    A hash of the caller's key chooses who gets the canary: the header x-larder-key, or the user of a recommendation. So
    a caller keeps getting answers of the same release. A request without a key gets the live release.
    """

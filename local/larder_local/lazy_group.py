"""Click groups that import a command only when it is run: ``larder --help`` must not wait for scipy."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group whose commands are ``{name: (module, one line of help)}``; the module's ``command`` is the command."""

    def __init__(self, *args: Any, modules: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:  # noqa: ANN401  click's own
        super().__init__(*args, **kwargs)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which they were given."""
        del ctx
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports and returns the command."""
        del ctx
        if cmd_name not in self._modules:
            return None
        found = import_module(self._modules[cmd_name][0]).command
        if not isinstance(found, click.Command):
            raise TypeError(f"{self._modules[cmd_name][0]}.command is no command")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands by the lines given here, without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._modules.items()])

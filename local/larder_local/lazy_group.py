"""Click groups that import a command when it runs: ``larder --help`` does not wait for slow libraries."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from larder_local.console import suggestion


class LazyGroup(click.Group):
    """A group of commands that are imported on use.

    ``modules`` maps the name of a command to its module and its line of help. The module has the attribute ``command``.
    """

    def __init__(self, *args: Any, modules: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:  # noqa: ANN401  click's own
        super().__init__(*args, **kwargs)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands, in the order of ``modules``."""
        del ctx
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports and returns the command, or returns None for an unknown name."""
        del ctx
        if cmd_name not in self._modules:
            return None
        module = self._modules[cmd_name][0]
        command = import_module(module).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.command is not a click command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with the nearest names in the error for an unknown command."""
        name = args[0]
        near = suggestion(name, self._modules)
        if name not in self._modules and not name.startswith("-") and near:
            ctx.fail(f"No such command {name!r}.{near}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the lines of help of all commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._modules.items()])

"""The command line of a training, as its report and its manifest state it."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
from click.core import ParameterSource


def command_line() -> str:
    """The command that click runs now, with the arguments and options that were given.

    The home folder is ``~``: reports are passed on, and the account's name says nothing about the model.
    """
    context = click.get_current_context()
    given = (
        word
        for parameter in sorted(context.command.params, key=lambda parameter: not isinstance(parameter, click.Argument))
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
        for word in _words(parameter, context.params[parameter.name or ""])
    )
    return " ".join([context.command_path, *map(_quoted, given)])


def _words(parameter: click.Parameter, value: object) -> Iterator[str]:
    if isinstance(parameter, click.Option) and parameter.is_flag:
        yield parameter.opts[0] if value else parameter.secondary_opts[0]
        return
    for part in value if isinstance(value, tuple) else (value,):
        if isinstance(parameter, click.Option):
            yield parameter.opts[0]
        yield str(part)


def _quoted(word: str) -> str:
    home = f"{Path.home()}/"
    return f"~/{shlex.quote(word.removeprefix(home))}" if word.startswith(home) else shlex.quote(word)

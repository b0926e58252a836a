"""``cli.md``: the help of the commands."""

import re
from collections.abc import Iterator
from inspect import cleandoc

import click

from larder_local.cli import cli
from reference_pages.markdown import escape, page, table


def render() -> str:
    """The page ``cli.md``."""
    introduction = (
        "Every command with its options, as `--help` shows them. The exit status is 0 for success, 1 for a refusal or "
        "a failure (the reason is on standard error), and 2 for wrong usage. `larder` is in `.venv/bin`."
    )
    return page(
        "Command line",
        introduction,
        *(part for name, command in walk(cli, "larder") for part in _command(command, name)),
    )


def _command(command: click.Command, name: str) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    yield f"## {name}"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{name} {usage}\n```"
    if command.help:
        yield _prose(command.help)
    if options := [option for option in command.params if isinstance(option, click.Option) and not option.hidden]:
        yield table(["option", "meaning", "default"], [_option(option, context) for option in options])


def _prose(text: str) -> str:
    """A help text as Markdown. Paragraphs that click does not wrap (they begin with a backspace) become code."""
    paragraphs = cleandoc(text).split("\n\n")
    return "\n\n".join(
        f"```text\n{paragraph[2:]}\n```" if paragraph.startswith("\b\n") else escape(" ".join(paragraph.split()))
        for paragraph in paragraphs
    )


def _option(option: click.Option, context: click.Context) -> list[str]:
    flags, text = option.get_help_record(context) or (option.opts[0], "")
    meaning = " ".join((option.help or "").split())
    extra = re.search(r"\s\[([^\[\]]*)\]$", f" {text.removeprefix(option.help or '')}")
    notes = [note.strip() for note in extra[1].split(";")] if extra else []
    default = next((note.removeprefix("default: ") for note in notes if note.startswith("default: ")), "")
    if "required" in notes:
        default = "required"
    others = [note for note in notes if note != "required" and not note.startswith("default: ")]
    meaning = " ".join([escape(meaning), *(f"({escape(note)})" for note in others)])
    return [f"`{flags}`", meaning, default if default in ("", "required") else f"`{default}`"]


def walk(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """All commands below ``command``, with their full names."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for child in command.list_commands(context):
            subcommand = command.get_command(context, child)
            if subcommand is not None:
                yield from walk(subcommand, f"{name} {child}")

"""Markdown of the generated pages."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
_NOTE: Final = "<!-- Written by docs/tools/reference.py from the code: `make reference` writes it again. -->"
_COLUMNS: Final = 100
_UNWRAPPED: Final = ("|", "#", "<", "!")
_ROLE: Final = re.compile(r":(?!mod:)\w+:`~?(?:[\w.]+\.)?(\w+)`")
_FENCED: Final = re.compile(r"^(```.*?^```)$", re.MULTILINE | re.DOTALL)
_LIST_ITEM: Final = re.compile(r"( *)([-*]|\d+\.) ")


def page(title: str, introduction: str, *parts: str) -> str:
    """A page: its title, a note on its origin, an introduction, and its parts."""
    return "\n\n".join([f"# {title}", _NOTE, wrap(introduction), *map(wrap, parts)]) + "\n"


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A table."""
    lines = [columns, ["---"] * len(columns), *([_cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


def wrap(text: str) -> str:
    """Wraps paragraphs and list items; tables, headings, HTML and code stay as they are."""
    return "\n\n".join(block if block.startswith("```") else _wrap_block(block) for block in _blocks(text))


def _blocks(text: str) -> Iterator[str]:
    """The blocks between blank lines; a fenced block of code is one block."""
    for part in _FENCED.split(text):
        if part.startswith("```"):
            yield part
        else:
            yield from (block for block in re.split(r"\n\s*\n", part.strip("\n")) if block.strip())


def _wrap_block(block: str) -> str:
    if block.lstrip().startswith(_UNWRAPPED):
        return block
    items: list[list[str]] = []
    for line in block.splitlines():
        if _LIST_ITEM.match(line) or not items:
            items.append([line.rstrip()])
        else:
            items[-1].append(line.strip())
    return "\n".join(_wrap_item(" ".join(lines)) for lines in items)


def _wrap_item(text: str) -> str:
    marker = _LIST_ITEM.match(text)
    indent = " " * len(marker[0]) if marker else ""
    return textwrap.fill(text, _COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def escape(text: str) -> str:
    """Escapes the characters of Markdown outside of code in backticks."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\[\]<>*_])", r"\\\1", part) for part in parts)


def from_rst(text: str) -> str:
    """A docstring as Markdown: literal blocks, roles and double backticks are converted."""
    lines: list[str] = []
    code: list[str] | None = None  # the lines of a literal block, while it is read
    for line in [*text.splitlines(), "end"]:
        if code is not None and (not line.strip() or line.startswith(" ")):
            code.append(line)
            continue
        if code is not None:
            lines += [_fenced(code), ""]
            code = None
        if line.endswith("::"):
            lines += [line[:-1].rstrip(":") + ":", ""] if line != "::" else []
            code = []
        else:
            lines.append(line)
    return _inline("\n".join(lines[:-1]).strip())


def _fenced(code: list[str]) -> str:
    block = textwrap.dedent("\n".join(code)).strip("\n")
    return f"```{'text' if '├' in block else 'python'}\n{block}\n```"


def _inline(text: str) -> str:
    """A role such as ``:class:`` becomes the name in backticks, without its module; code blocks stay."""
    parts = _FENCED.split(text)
    return "".join(
        part
        if part.startswith("```")
        else re.sub(r"``([^`]+)``", r"`\1`", _ROLE.sub(r"`\1`", part).replace(":mod:", ""))
        for part in parts
    )

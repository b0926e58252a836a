"""What commands print: aligned tables, sizes, and suggestions for mistyped names."""

import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

_UNLIMITED: Final = 10_000  # columns of a table that is not on a terminal, so that nothing is cut or wrapped
_UNITS: Final = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[str] = ()) -> None:
    """Prints an aligned table on standard output; outside a terminal, without lines, colours and wrapping.

    Args:
        columns: The names of the columns.
        rows: The cells of each row.
        right: The columns that are aligned to the right.
    """
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    on_terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if on_terminal else None, pad_edge=False, header_style="bold")
    numeric = set(right)
    for column in columns:
        table.add_column(column, justify="right" if column in numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console(file=sys.stdout, width=None if on_terminal else _UNLIMITED, highlight=False, emoji=False)
    if on_terminal:
        console.print(table)
        return
    with console.capture() as capture:
        console.print(table)
    sys.stdout.write("\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n")


def size(count: int) -> str:
    """A number of bytes, such as ``5.0 MB``."""
    for unit, name in _UNITS:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} bytes"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Which known names are near ``name``, as a sentence with a blank before it; empty if none is."""
    near = get_close_matches(name, sorted(set(known)), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(match) for match in near)}?" if near else ""

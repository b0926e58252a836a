"""What people read about metadata columns: sentences, a section of the manifest, and its rows in a table."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, Final

from larder.filters import column_reference
from larder_training.recommender.data.columns.kinds import ColumnFacts
from larder_training.recommender.data.metadata import MetadataTable
from larder_training.reporting.counts import counted

ColumnRow = tuple[str, str, int, int, str, str]
COLUMN_HEAD: Final = ("column", "type", "values", "missing", "in a filter", "remark")
_PLAIN: Final = "Items."


def table_notices(items: MetadataTable | None, users: MetadataTable | None) -> list[str]:
    """What was found in the files of items and users: the types of all columns, and what to know about them."""
    of_items = _notices(items, filters=True) if items is not None else []
    return of_items + (_notices(users, filters=False) if users is not None else [])


def _notices(table: MetadataTable, *, filters: bool) -> list[str]:
    """Notices of one table; ``filters``: filters can name its columns."""
    lines = [*table.notices]
    if table.columns:
        types = ", ".join(f"{name} {_type(facts)}" for name, facts in table.facts.items())
        lines.append(f"{table.name}, types of columns (--types changes them): {types}.")
    lines += _problems(table)
    quoted = [column_reference(name) for name in table.columns if column_reference(name) != _PLAIN + name]
    if filters and quoted:
        lines.append(f"{table.name}: filters name columns with blanks or signs in quotes: {', '.join(quoted)}.")
    return lines


def column_document(table: MetadataTable) -> dict[str, dict[str, Any]]:
    """The section of the manifest: what was found about each column."""
    return {
        **{
            name: {
                "type": facts.kind,
                "stated": facts.stated,
                "distinct": facts.distinct,
                "missing": facts.missing,
                "not_numbers": facts.not_numbers,
                "remark": _remark(table, name),
            }
            for name, facts in table.facts.items()
        },
        **{name: {"type": None, "missing": table.rows, "remark": what} for name, what in table.left_out.items()},
    }


def column_rows(columns: Mapping[str, Mapping[str, Any]], *, filters: bool) -> list[ColumnRow]:
    """One row under ``COLUMN_HEAD`` per column of ``column_document``; ``filters``: filters can name the columns."""
    return [
        (
            name,
            "left out" if column["type"] is None else column["type"] + (", stated" if column["stated"] else ""),
            column.get("distinct", 0),
            column.get("missing", 0),
            column_reference(name) if filters and column["type"] is not None else "",
            column["remark"],
        )
        for name, column in columns.items()
    ]


def _problems(table: MetadataTable) -> Iterator[str]:
    for name in table.facts:
        if remark := _remark(table, name):
            yield f"{table.name}, column {name}: {remark}."
    if table.left_out:
        names = ", ".join(f"{name or 'without a name'} ({content})" for name, content in table.left_out.items())
        yield f"{table.name}: columns left out: {names}. Give texts, numbers, times or lists of texts to use them."
    for same in _same_but_case(table):
        yield f"{table.name}: the columns {' and '.join(same)} differ only in case, as filters do: rename one."


def _remark(table: MetadataTable, name: str) -> str:
    facts = table.facts[name]
    if not facts.not_numbers:
        return facts.reason
    cells = ", ".join(f"{cell.file} row {cell.row}: {cell.value!r:.40}" for cell in table.odd[name])
    more = ", ..." if facts.not_numbers > len(table.odd[name]) else ""
    verb = "cell is not a number and counts" if facts.not_numbers == 1 else "cells are not numbers and count"
    return f"{facts.not_numbers} of {len(table.ids)} {verb} as missing ({cells}{more})"


def _type(facts: ColumnFacts) -> str:
    return (
        f"{facts.kind} ({counted(facts.distinct, 'value')})" if facts.kind in {"category", "categories"} else facts.kind
    )


def _same_but_case(table: MetadataTable) -> list[list[str]]:
    names = sorted(table.columns, key=lambda name: (name.casefold(), name))
    groups = [list(same) for _, same in groupby(names, key=str.casefold)]
    return [same for same in groups if len(same) > 1]

"""The parts of a request: JSON fields, query strings and images."""

import csv
import mimetypes
import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, urlencode

Image: TypeAlias = "bytes | os.PathLike[str] | str"
FilterValue: TypeAlias = "str | float | Sequence[str]"


@dataclass(frozen=True, slots=True)
class Promotion:
    """Items that get a share of the places of an answer. All promotions together have 100 percent at most.

    Attributes:
        name: The name that the ``because`` of the items has.
        percent: The share of the places, a whole number from 1 to 100.
        items: The promoted items' ids. Pass these or ``filter``, not both.
        filter: A filter expression; the items that pass it are promoted.
        filter_values: The values of the filter's parameters, by name without the ``$``.
    """

    name: str
    percent: int
    items: Sequence[str] = ()
    filter: str | None = None
    filter_values: Mapping[str, FilterValue] = field(default_factory=dict)

    def document(self) -> dict[str, object]:
        """Its JSON in a request."""
        return without_none(
            name=self.name,
            percent=self.percent,
            items=as_list(self.items, "items") or None,
            filter=self.filter,
            filter_values=dict(self.filter_values) or None,
        )


@dataclass(frozen=True, slots=True)
class Boost:
    """A factor for the scores of the items that pass a filter.

    Attributes:
        filter: A filter expression, or ``@`` and the name of a stored one.
        factor: The factor, 0.01 to 100: below 1, the items come later.
        filter_values: The values of the filter's parameters, by name without the ``$``.
    """

    filter: str
    factor: float
    filter_values: Mapping[str, FilterValue] = field(default_factory=dict)

    def document(self) -> dict[str, object]:
        """Its JSON in a request."""
        values = dict(self.filter_values) or None
        return without_none(filter=self.filter, factor=self.factor, filter_values=values)

    def parameter(self) -> str:
        """It in a query string. Raises ValueError if it has values, for which a query string has no place."""
        if self.filter_values:
            raise ValueError("A boost in a query string has no filter_values: write the values into the filter.")
        return f"{self.factor}:{self.filter}"


def without_none(**fields: object) -> dict[str, object]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def as_list(entries: Sequence[str] | None, name: str) -> list[str] | None:
    """A list for JSON. Raises TypeError for a plain text, whose letters would become entries."""
    if isinstance(entries, str):
        raise TypeError(f"{name} is the text {entries!r}: pass a list of texts.")
    return None if entries is None else list(entries)


def path(*parts: str) -> str:
    """A path below ``/v1/models``; see :func:`route`."""
    return route("models", *parts)


def route(*parts: str) -> str:
    """A path below ``/v1``. Raises ValueError for an empty part, which would select another route."""
    if not all(parts):
        raise ValueError("A model, release, item, file, user or receipt has an empty name: pass its name.")
    return "/".join(("/v1", *(quote(part, safe="") for part in parts)))


def query(**parameters: object) -> str:
    """A query string with its ``?``, or "". A list is one value with commas, a mapping one ``name.key`` per entry."""
    pairs: list[tuple[str, str]] = []
    for name, value in without_none(**parameters).items():
        if isinstance(value, Mapping):
            pairs += [(f"{name}.{key}", _text(entry)) for key, entry in value.items()]
        else:
            # A list's commas separate entries, but the text of a filter is one value.
            pairs.append((name, value if isinstance(value, str) else _text(value)))
    # A space is "%20", not "+", because SigV4 signs "%20".
    return f"?{urlencode(pairs, quote_via=quote, safe='')}" if pairs else ""


def list_query(
    exclude: Sequence[str] | None,
    columns: Sequence[str] | None,
    max_per: Mapping[str, int] | None,
    boosts: Boost | None,
    pins: Mapping[int, str] | None,
    **others: object,
) -> str:
    """The query string of a list of items, or ""; raises as ``as_list`` and ``Boost.parameter``."""
    return query(
        exclude=as_list(exclude, "exclude"),
        columns=as_list(columns, "columns"),
        max_per=None if max_per is None else [f"{column}:{most}" for column, most in max_per.items()],
        boosts=None if boosts is None else boosts.parameter(),
        pins=None if pins is None else [f"{place}:{pinned}" for place, pinned in pins.items()],
        **others,
    )


def _text(value: object) -> str:
    """One value of a query string. Commas separate entries, so an entry with a comma is in double quotes (RFC 4180)."""
    if isinstance(value, int | float):
        return str(value)
    line = StringIO()
    csv.writer(line, lineterminator="").writerow([value] if isinstance(value, str) else value)  # type: ignore[arg-type]  # a list of texts
    return line.getvalue()


def read_image(image: Image) -> tuple[bytes, str]:
    """The encoded image and its media type, which comes from the name of a file. Raises OSError."""
    if isinstance(image, bytes):
        return image, "application/octet-stream"
    file = Path(image)
    media_type = mimetypes.guess_type(file.name)[0] or ""
    return file.read_bytes(), media_type if media_type.startswith("image/") else "application/octet-stream"


def base64_text(data: bytes) -> str:
    """``data`` in base64, for JSON."""
    return b64encode(data).decode("ascii")

"""The parts that requests for recommendations and for a ranking have in common."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from larder.compat.parameters import Parameters
from larder.errors import InvalidRequest
from larder.recommender.field_checks import MAX_ID
from larder.release.serving import RecommenderServing

_MAX_COLUMNS: Final = 10
_MAX_CONTEXT: Final = 150
_MAX_VALUES: Final = 25
_MAX_TEXT: Final = 1000
_ITEMS: Final = "ITEMS"
_VALUE_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,50}")


@dataclass(frozen=True, slots=True)
class MetadataColumns:
    """The item columns to return.

    Attributes:
        requested: The name of each column in the request, and the release's name of it.
    """

    requested: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, sent: Parameters, serving: RecommenderServing) -> "MetadataColumns":
        """The columns of ``metadataColumns``: as trained, or in camelCase, as Personalize's own API has them."""
        names = sent.child("metadataColumns", (_ITEMS,)).texts(_ITEMS, _MAX_COLUMNS)
        columns = {name: as_trained(name, serving.columns) for name in names}
        for name, column in columns.items():
            if column is None:
                known = ", ".join(sorted(serving.columns)) or "none"
                raise InvalidRequest(f"metadataColumns.{_ITEMS} has {name[:80]!r}: this model's items have {known}.")
        return cls({name: column for name, column in columns.items() if column is not None})

    def __len__(self) -> int:
        return len(self.requested)

    @property
    def names(self) -> list[str]:
        """The release's names of the columns."""
        return list(dict.fromkeys(self.requested.values()))

    def metadata(self, values: Mapping[str, str | float | None]) -> dict[str, str]:
        """The values of an item as texts, by the request's names; a missing value is left out."""
        texts = {name: values.get(column) for name, column in self.requested.items()}
        return {name: _text(value) for name, value in texts.items() if value is not None}


def read_id(sent: Parameters, name: str) -> str | None:
    """An id of a user or an item; None if it was not sent."""
    return check_id(name, sent.text(name)) if name in sent else None


def check_id(name: str, value: str) -> str:
    """Return an id; raises InvalidRequest unless it has 1 to 256 characters."""
    if not 1 <= len(value) <= MAX_ID:
        raise InvalidRequest(f"{name} has {len(value)} characters: send 1 to {MAX_ID}.")
    return value


def read_profile(sent: Parameters, serving: RecommenderServing, warnings: list[str]) -> dict[str, str]:
    """The user's columns of ``context``.

    A name that is not a column of the release's users is ignored with a warning: the contextual metadata of an
    interaction, such as the device, are unknown to Larder's models, and a client that sends them should still be
    answered.
    """
    profile: dict[str, str] = {}
    columns = serving.user_columns
    for name, value in sent.strings("context", _MAX_CONTEXT).items():
        column = as_trained(name, columns)
        if column is None:
            known = ", ".join(sorted(columns)) or "none"
            warnings.append(f"context.{name[:80]} is ignored: the columns of this model's users are {known}.")
        else:
            profile[column] = _short(f"context.{name[:80]}", value)
    return profile


def read_values(sent: Parameters) -> Mapping[str, str]:
    """``filterValues``: for each parameter, one value or several in double quotes, separated by commas."""
    values = sent.strings("filterValues", _MAX_VALUES)
    for name, value in values.items():
        if not _VALUE_NAME.fullmatch(name):
            problem = f"{sent.path}filterValues has {name[:60]!r}"
            raise InvalidRequest(f"{problem}: use the name of a parameter, 1 to 50 letters, digits and _, without $.")
        _short(f"{sent.path}filterValues.{name}", value)
    return values


def _short(name: str, value: str) -> str:
    if len(value) > _MAX_TEXT:
        raise InvalidRequest(f"{name} has {len(value)} characters: send at most {_MAX_TEXT}.")
    return value


def as_trained(name: str, columns: Collection[str]) -> str | None:
    """The column that is ``name``, or the only one that is the same in camelCase; None if there is none."""
    if name in columns:
        return name
    same = [column for column in columns if _plain(column) == _plain(name)]
    return same[0] if len(same) == 1 else None


def _plain(name: str) -> str:
    return name.replace("_", "").casefold()


def _text(value: str | float) -> str:
    """A value as a text: 4.0 as ``4``, as it was in the catalogue."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def warning_header(warnings: Sequence[str]) -> dict[str, str]:
    """The header by which an answer in a protocol without a place for warnings says what had no effect, and why."""
    text = " ".join(warnings)[:_MAX_TEXT].encode("ascii", "backslashreplace").decode()
    printable = re.sub(r"[^ -~]", " ", text)
    return {"x-larder-warning": printable} if printable else {}

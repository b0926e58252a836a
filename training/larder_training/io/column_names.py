"""Finds the columns that a reader needs in a header: by their names, by stated names, or by well-known ones."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from larder.errors import InvalidRequest
from larder_training.io.personalize_schema import SchemaField

KEYS: Final = ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE", "EVENT_VALUE", "REVIEW_TEXT")  # what can be stated


def _group(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Names that other tools give these columns, without case, blanks and signs. The later of two groups counts only if the
# file has no name of the earlier one.
_WELL_KNOWN: Final[Mapping[str, tuple[frozenset[str], ...]]] = {
    "USER_ID": (
        _group(
            "userid customerid custid clientid visitorid memberid accountid shopperid buyerid reviewerid uid "
            "householdid householdkey personid subscriberid fullvisitorid userpseudoid"
        ),
        _group("user customer visitor client member sessionid session household"),
    ),
    "ITEM_ID": (
        _group(
            "itemid productid movieid articleid bookid songid trackid artistid videoid filmid gameid newsid recipeid "
            "courseid listingid contentid animeid businessid venueid locationid skuid offerid sku asin parentasin isbn "
            "aid stockcode productcode articlecode"
        ),
        _group("item product movie article book song track artist video film game recipe course"),
    ),
    "TIMESTAMP": (
        _group(
            "timestamp ts time eventtime eventtimestamp datetime unixtime unixtimestamp unixreviewtime createdat "
            "timestampms timems epoch eventdatetime occurredat ordertime purchasetime"
        ),
        _group("date eventdate day invoicedate orderdate purchasedate transactiondate tdat reviewdate"),
    ),
    "EVENT_TYPE": (
        _group(
            "eventtype event eventname behavior behaviour behaviortype behaviourtype action actiontype interactiontype"
        ),
        frozenset({"type"}),
    ),
    "EVENT_VALUE": (frozenset({"eventvalue", "rating", "stars", "overall"}), frozenset({"score"})),
    "REVIEW_TEXT": (frozenset({"reviewtext"}),),
}
# Words that make a name likely to be the column, for a proposal only.
_LIKELY: Final[Mapping[str, Mapping[str, int]]] = {
    "USER_ID": dict.fromkeys(("user", "customer", "client", "visitor", "member", "buyer", "email"), 3)
    | {"account": 2, "session": 2, "id": 1, "number": 1},
    "ITEM_ID": dict.fromkeys(("sku", "handle", "asin", "isbn", "gtin"), 4)
    | dict.fromkeys(("item", "lineitem", "product", "article", "ean", "barcode"), 3)
    | {"id": 2, "code": 2, "number": 1, "name": 1, "title": 1},
    "TIMESTAMP": {"timestamp": 4, "time": 3, "date": 3, "created": 2, "day": 2, "when": 2, "at": 1, "on": 1},
}
_DETAILS: Final = _group("type category price quantity count rating value status url image group brand")
_SHOWN: Final = 200  # characters of a header in messages
_ALONE: Final = frozenset({"id"})  # the key of a file that describes items or users
_NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """Names of the columns in the files of one input.

    Attributes:
        stated: The file's name by Larder's name, such as ``{"ITEM_ID": "movieId"}``; an empty name: no such column.
        everywhere: Whether each stated name must be in the file. In metadata, a name of the log's may be missing.
        fields: Columns of a schema; those that are not nullable must be in the file.
    """

    stated: Mapping[str, str] = field(default_factory=lambda: _NO_NAMES)
    everywhere: bool = True
    fields: tuple[SchemaField, ...] = ()

    def find(
        self, file: str, header: Sequence[str], required: Sequence[str], optional: Sequence[str] | None
    ) -> dict[str, str]:
        """The file's name of each of these columns that it has.

        Args:
            file: Name of the file in messages.
            header: The names in the file.
            required: Columns that the file must have.
            optional: Columns that it may have; None: all columns are read.

        Raises:
            InvalidRequest: A required or stated column is missing, or several names fit.
        """
        found: dict[str, str] = {}
        for column in (*required, *(optional or ())):
            name = self._name(file, header, column, key=optional is None and len(required) == 1)
            if name is not None:
                found[column] = name
        missing = [column for column in required if column not in found]
        if missing:
            raise InvalidRequest(_missing(file, header, missing, found))
        for stated in self.fields:
            if stated.required and stated.name not in found and _same(header, stated.name) is None:
                raise InvalidRequest(
                    f"{file} has no column {stated.name}, which the schema has (it has {shown(header)}): add it, or "
                    "make it nullable in the schema."
                )
        return found

    def has(self, header: Sequence[str], columns: Sequence[str]) -> bool:
        """Whether a header has all of these columns, so that no other line can add one."""
        try:
            return len(self.find("", header, (), columns)) == len(columns)
        except InvalidRequest:
            return False

    def _name(self, file: str, header: Sequence[str], column: str, *, key: bool) -> str | None:
        stated = self.stated.get(column)
        if stated is not None:
            name = "" if not stated else _same(header, stated)
            if name is not None:
                return name or None
            if self.everywhere:
                raise InvalidRequest(
                    f"{file} has no column {stated}, which --columns states as {column} (it has "
                    f"{shown(header)}){_nearest(stated, header)}."
                )
        name = _same(header, column)
        if name is not None:
            return name
        groups, taken = _WELL_KNOWN.get(column, ()), {_plain(other) for other in self.stated.values()}
        for group in (*groups, _ALONE) if key else groups:
            fitting = [name for name in header if _plain(name) in group and _plain(name) not in taken]
            if len(fitting) > 1:
                options = " or ".join(f"--columns {column}={name}" for name in fitting)
                raise InvalidRequest(
                    f"{file} has no column {column}, and {' and '.join(fitting)} could be it. Give {options}."
                )
            if fitting:
                return fitting[0]
        return None


PLAIN_NAMES: Final = ColumnNames()


def parse_columns(texts: Iterable[str]) -> dict[str, str]:
    """Parses ``["USER_ID=userId,ITEM_ID=movieId"]`` to the file's names by Larder's. Raises InvalidRequest."""
    return check_columns(statements(texts, example="USER_ID=userId"))


def statements(texts: Iterable[str], example: str, spelling: Callable[[str], str] = str) -> dict[str, str]:
    """The right sides of ``["left=right,left=right"]`` by the left ones. Raises InvalidRequest, with the example.

    Args:
        texts: What the user states, in one option or in several.
        example: For the message if an equals sign is missing.
        spelling: Gives a left side the spelling in which it is compared.
    """
    stated: dict[str, str] = {}
    for piece in (piece for text in texts for piece in text.split(",") if piece.strip()):
        column, equals, name = (part.strip() for part in piece.partition("="))
        if not equals:
            raise InvalidRequest(f"--columns: {piece.strip()!r} is not COLUMN=NAME. Example: {example}.")
        column = spelling(column)
        if stated.setdefault(column, name) != name:
            raise InvalidRequest(f"--columns states {column} as {stated[column]} and as {name}: give one of them.")
    return stated


def check_columns(stated: Mapping[str, str]) -> dict[str, str]:
    """The stated names, if their keys are Larder's names; otherwise raises InvalidRequest."""
    for column, name in stated.items():
        if column not in KEYS:
            remedy = f"give {name}={column}" if name in KEYS else f"choose from {', '.join(KEYS)}"
            raise InvalidRequest(f"columns have {column}={name}, but Larder has no column {column}: {remedy}.")
    return dict(stated)


def describe(file: str, found: Mapping[str, str]) -> str | None:
    """A sentence for the log if names of the file differ from Larder's; None if all are the same."""
    other = [f"{name} as {column}" for column, name in found.items() if name != column]
    return f"{file}: {', '.join(other)}." if other else None


def shown(header: Sequence[str]) -> str:
    """The names of a header, cut for a message."""
    text = ", ".join(header)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _same(header: Sequence[str], name: str) -> str | None:
    """The column of this name: exactly, or without regard to case, blanks and signs if only one fits."""
    if name in header:
        return name
    alike = [other for other in header if _plain(other) == _plain(name)]
    return alike[0] if len(alike) == 1 else None


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _nearest(name: str, header: Sequence[str]) -> str:
    near = get_close_matches(name, header, n=1)
    return f": did you mean {near[0]}?" if near else ": give a name of its header"


def _missing(file: str, header: Sequence[str], missing: Sequence[str], found: Mapping[str, str]) -> str:
    times = (
        " If the log has no times, add --order random, or --order file if each user's rows are in order."
        if list(missing) == ["TIMESTAMP"]
        else ""
    )
    taken = set(found.values())
    likely: dict[str, str] = {}
    for column in missing:
        best = max(header, key=lambda name: _likeness(name, column, taken), default="")
        if best and _likeness(best, column, taken) > 0:
            likely[column] = best
            taken.add(best)
    option = ",".join(f"{column}={likely.get(column, 'NAME')}" for column in missing)
    shell = f'"{option}"' if " " in option else option
    which = "which column it is" if len(missing) == 1 else "which columns they are"
    return (
        f"{file} has no column {', '.join(missing)} (it has {shown(header)}): say {which}"
        f"{', perhaps' if likely else ','} --columns {shell}.{times}"
    )


def _likeness(name: str, column: str, taken: Collection[str]) -> int:
    """How likely it is that a column of this name is the missing one, by the words of the name; 0: unlikely."""
    if name in taken or {",", "="} & set(name):
        return 0
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    return sum(_LIKELY.get(column, {}).get(word, 0) for word in words) - 2 * len(_DETAILS.intersection(words))

"""Whether the ids of a log meet those of the metadata, and what keeps them apart: leading zeros, case, ``.0``."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

FEW: Final = 0.1  # share of ids that meet, below which a training refuses the files
CLOSER: Final = 0.05  # share of ids that another spelling must add to be worth a sentence
_EXAMPLES: Final = 2
_SPELLINGS: Final[Mapping[str, Callable[[str], str]]] = {
    "without leading zeros": lambda text: text.lstrip("0") or "0",
    "without the suffix .0": lambda text: re.sub(r"\.0+$", "", text),
    "in one case": str.casefold,
    "without blanks, dashes and signs": lambda text: "".join(letter for letter in text if letter.isalnum()),
    "without the letters before the digits": lambda text: re.sub(r"^\D+(?=\d)", "", text),
}


@dataclass(frozen=True, slots=True)
class IdMatch:
    """How the ids of a log meet those of a metadata file.

    Attributes:
        column: ITEM_ID or USER_ID.
        in_log: Ids of the log.
        in_metadata: Ids of the metadata.
        both: Ids that are in both.
        remedy: How more would meet, in words; empty: no way is known.
        examples: An id of the log and one of the metadata.
    """

    column: str
    in_log: int
    in_metadata: int
    both: int
    remedy: str
    examples: tuple[str, str]

    @property
    def few(self) -> bool:
        """Whether hardly an id meets: below a tenth of the shorter list."""
        return self.both < FEW * min(self.in_log, self.in_metadata)

    def sentence(self) -> str | None:
        """What is wrong with the ids; None if they meet, or another spelling would not help."""
        if not self.few and not self.remedy:
            return None
        noun = "items" if self.column == "ITEM_ID" else "users"
        verb = "is" if self.both == 1 else "are"
        log, metadata = self.examples
        return (
            f"Only {self.both} of the {self.in_log} {noun} of the log {verb} among the {self.in_metadata} of the "
            f"{noun} file ({self.column} is {log!r:.40} in the log, {metadata!r:.40} in the file)."
            + (f" {self.remedy}" if self.remedy else "")
            + " Write the ids in both files alike."
        )


def match_ids(column: str, log: Collection[str], metadata: Collection[str]) -> IdMatch:
    """Compares the ids of a log (those with events) with the ids of its metadata.

    Args:
        column: ITEM_ID or USER_ID.
        log: Distinct ids of the log; at least one.
        metadata: Distinct ids of the metadata; at least one.
    """
    known = set(metadata)
    both = sum(name in known for name in log)
    shorter = min(len(log), len(known))
    best, way = both, ""
    if shorter - both > CLOSER * shorter:  # otherwise no spelling can add enough
        for words, spell in _SPELLINGS.items():
            found = _meeting(log, known, spell)
            if found > best:
                best, way = found, words
        everything = _meeting(log, known, _all_spellings)
        if everything > best + CLOSER * shorter:
            best, way = everything, "without leading zeros, .0, blanks and signs, in one case"
    closer = best - both > CLOSER * shorter
    remedy = f"{best} would meet {way}." if closer else ""
    examples = min(set(log) - known or log), min(known - set(log) or known)
    return IdMatch(column, len(log), len(known), both, remedy, examples)


def _meeting(log: Collection[str], metadata: Collection[str], spell: Callable[[str], str]) -> int:
    """Ids of the log that meet one of the metadata in this spelling, each id of the metadata counted once."""
    spelled = {spell(name) for name in metadata}
    return len({spell(name) for name in log} & spelled)


def _all_spellings(text: str) -> str:
    for words, spell in _SPELLINGS.items():
        if "letters" not in words:
            text = spell(text)
    return text.lstrip("0") or "0"

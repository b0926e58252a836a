"""Labels that look the same to a person: by case, blanks, a dot at the end, or letters of another alphabet."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final

from larder_training.reporting.counts import counted

# Letters of Cyrillic and Greek that look like Latin ones, and signs that look alike.
_ALIKE: Final = str.maketrans(
    "авсеіјкмнорѕтухԁԛԝһАВСЕІЈКМНОРЅТУХαβεηικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ‐‑‒–—―−_’‘ʼ`´“”„",
    "abceijkmhopstyxdqwhabceijkmhopstyxabenikvoptuxabezhikmnoptyx--------'''''\"\"\"",
)


def similar_labels(counts: Mapping[str, int]) -> list[str]:
    """Sentences that name each set of labels that look alike.

    Args:
        counts: The number of images of each label.
    """
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for label in sorted(counts):
        alike[_appearance(label)].append(label)
    sentences = []
    for labels in alike.values():
        if len(labels) > 1:
            named = " and ".join(f"{_shown(label)} ({counted(counts[label], 'image')})" for label in labels)
            sentences.append(f"Labels that look alike are different classes: {named}. Rename one if they are the same.")
    return sentences


def merged_labels(written: Mapping[str, Counter[str]]) -> list[str]:
    """Sentences about labels that are one class although the data writes them in several ways.

    Args:
        written: For each label, the ways in which the data writes it, with their numbers of images.
    """
    return [
        f"The label {label!r} is written in {len(ways)} ways (blanks or accents differ) and counts as one class"
        for label, ways in sorted(written.items())
        if len(ways) > 1
    ]


def _shown(label: str) -> str:
    """The label, and what the eye does not see in it."""
    odd = sorted({f"U+{ord(letter):04X}" for letter in label if ord(letter) in _ALIKE and letter != "_"})
    odd += sorted(
        {f"U+{ord(letter):04X}" for letter in label if unicodedata.category(letter) in {"Cf", "Zs"} and letter != " "}
    )
    return f"{label!r}" + (f" with {', '.join(odd[:3])}" if odd and not label.isascii() else "")


def _appearance(label: str) -> str:
    text = unicodedata.normalize("NFKC", label).translate(_ALIKE).casefold()
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    text = "".join(" " if letter == "-" else letter for letter in text)
    return " ".join(text.split()).rstrip(".,;:!? ")

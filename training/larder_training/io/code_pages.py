"""Guesses the 8-bit or double-byte code page of a text that is not Unicode."""

import unicodedata
from itertools import pairwise
from typing import Final

from charset_normalizer import from_bytes

CODE_PAGES: Final = {
    "cp1252": "Windows-1252",
    "cp1250": "Windows-1250",
    "cp1251": "Windows-1251",
    "cp1253": "Windows-1253",
    "cp1254": "Windows-1254",
    "cp1255": "Windows-1255",
    "cp1256": "Windows-1256",
    "mac_roman": "Mac Roman",
    "cp850": "MS-DOS (code page 850)",
    "cp932": "Shift JIS",
    "gb18030": "GB 18030",
    "big5": "Big5",
    "cp949": "EUC-KR",
}
_LATIN: Final = ("cp1252", "cp1250", "mac_roman", "cp850")  # the commonest first
_OTHER_SCRIPTS: Final = ("cp1251", "cp1253", "cp1255", "cp1256", "cp932", "gb18030", "big5", "cp949")
_ICELANDIC: Final = frozenset("þðýÞÐÝ")  # Windows-1254 has Turkish letters in their places
_WITH_ICELANDIC: Final = frozenset("áíúéæÁÍÚÉÆ")
_INSIDE_WORDS: Final = frozenset("’‘'´`·–—-")
_NOT_BEFORE: Final = frozenset({"Sc", "Sm", "So", "Sk", "No", "Pf"})  # categories of signs that begin no word
_NOT_AFTER: Final = frozenset({"Sc", "Ps"})  # and that end none
_MOST: Final = 0.8  # share of accented letters in words that have some; Latin script stays below
_CLEARER: Final = 0.1  # by how much a language must fit better under another code page


def guess_code_page(sample: bytes) -> str | None:
    """Python's name of the code page under which ``sample`` reads best; None if it fits none.

    Statistics of letters need long texts, and lists of labels are short. So the commonest code page under which words
    look like words is taken first; charset-normalizer decides between other scripts.
    """
    plausible = [codec for codec in _LATIN if _reads_as_latin(_decoded(sample, codec))]
    if not plausible:
        return _by_statistics(sample, _OTHER_SCRIPTS) or ("cp1252" if _decoded(sample, "cp1252") is not None else None)
    if plausible[0] != "cp1252":
        return plausible[0]
    letters = set(_decoded(sample, "cp1252") or "")
    if letters & _ICELANDIC and not letters & _WITH_ICELANDIC:
        return "cp1254"
    fits = {match.encoding: match.coherence for match in from_bytes(sample, cp_isolation=["cp1252", "cp1250"])}
    czech_or_so = "cp1252" in fits and fits.get("cp1250", 0.0) > fits["cp1252"] + _CLEARER
    return "cp1250" if czech_or_so and "cp1250" in plausible else "cp1252"


def _by_statistics(sample: bytes, codecs: tuple[str, ...]) -> str | None:
    possible = [codec for codec in codecs if _decoded(sample, codec) is not None]
    best = from_bytes(sample, cp_isolation=possible).best() if possible else None
    return best.encoding if best is not None else None


def _decoded(sample: bytes, codec: str) -> str | None:
    """The text; None if bytes do not fit. A sample may end inside a letter of two bytes."""
    try:
        return sample.decode(codec)
    except UnicodeDecodeError as error:
        return sample[: error.start].decode(codec) if error.start >= len(sample) - 3 and error.start else None


def _reads_as_latin(text: str | None) -> bool:
    """Whether words with accents look like words: no signs or capitals inside, and plain letters among them."""
    if text is None or any(unicodedata.category(letter) in {"Cc", "Co", "Cn"} and letter > "\x7f" for letter in text):
        return False
    accented = plain = 0
    for word in text.replace(",", " ").replace(";", " ").replace("|", " ").split():
        if word.isascii():
            continue
        if any(_odd(left, right, mixed=not word.isupper()) for left, right in pairwise(word)):
            return False
        accented += sum(letter > "\x7f" and letter.isalpha() for letter in word)
        plain += sum(letter.isascii() and letter.isalpha() for letter in word)
    return accented <= _MOST * (accented + plain)


def _odd(left: str, right: str, *, mixed: bool) -> bool:
    """Whether two characters do not follow each other in words: a sign before a letter, or a capital inside a word.

    Args:
        left: The first.
        right: The second.
        mixed: Whether the word has small letters, so that it is not written in capitals.
    """
    if left.isascii() and right.isascii():
        return False
    if right.isalpha():
        sign = left > "\x7f" and not left.isalpha() and left not in _INSIDE_WORDS
        if sign and unicodedata.category(left) in _NOT_BEFORE:
            return True
        return mixed and left.isalpha() and right.isupper()
    return left.isalpha() and right not in _INSIDE_WORDS and unicodedata.category(right) in _NOT_AFTER

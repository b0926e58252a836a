"""Text files of any encoding, as UTF-8: byte order marks, UTF-16 without one, UTF-8, and 8-bit code pages.

Excel saves "CSV" in the code page of the computer and "Unicode text" in UTF-16. A file is read once in blocks to find
its encoding, so that a single letter late in a file of gigabytes counts; only the blocks with such letters are judged.
"""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from larder.errors import InvalidRequest
from larder_training.io.code_pages import CODE_PAGES, guess_code_page

BLOCK: Final = 2**20  # bytes
SAMPLE: Final = 2**18  # bytes around letters, from which a code page is guessed
_GZIP: Final = b"\x1f\x8b"
_MARKS: Final = (  # the longer marks first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NAMES: Final = {"utf-8": "UTF-8", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16 (big-endian)"} | CODE_PAGES
_OTHER_FORMATS: Final = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook. Save the sheet as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook. Save the sheet as CSV UTF-8"),
    (b"PAR1", "a Parquet file. Name it .parquet"),
    (b"%PDF", "a PDF. Export the table as CSV UTF-8"),
    (b"\x89PNG", "an image. Give a list of images"),
    (b"\xff\xd8\xff", "an image. Give a list of images"),
    (b"SQLite format 3", "an SQLite database. Export the table as CSV UTF-8"),
)
_CUT: Final = "ends in the middle of a character: it is cut off"
_MOSTLY: Final = 3  # valid letters per damaged one in UTF-8 that was damaged
_RARE: Final = 0.02  # share of stray NUL bytes at the other half of UTF-16's byte pairs


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """How the bytes of a text file stand for letters.

    Attributes:
        codec: Python's name of the encoding.
        mark: Bytes of the byte order mark at the start.
        guessed: Whether it is a guess from letter statistics, as for every 8-bit code page.
        compressed: Whether the file is compressed by gzip.
        old_line_ends: Whether lines end with a carriage return alone, as of old Macintosh programs.
    """

    codec: str
    mark: int = 0
    guessed: bool = False
    compressed: bool = False
    old_line_ends: bool = False

    @property
    def name(self) -> str:
        """The name that people know: "UTF-16", "Windows-1252"."""
        return _NAMES.get(self.codec, self.codec)

    @property
    def plain(self) -> bool:
        """Whether readers of UTF-8 can read the file (compressed or not) as it is."""
        return self.codec == "utf-8" and not self.mark and not self.old_line_ends

    def describe(self, file: str) -> str | None:
        """A sentence for the log if the file is not UTF-8; None if it is."""
        if self.codec == "utf-8":
            return None
        guess = " (a guess: if letters look wrong, save it as CSV UTF-8)" if self.guessed else ""
        return f"{file} is read as {self.name}{guess}."


def detect_encoding(path: Path, name: str) -> TextEncoding:
    """The encoding of a text file, plain or gzip, found by reading it once in blocks.

    Args:
        path: The file.
        name: Its name in messages.

    Raises:
        InvalidRequest: The file is not text, is damaged, or has an unknown encoding; the message says where.
    """
    with _opened(path) as file:
        start = file.read(4)
        if start.startswith(_GZIP):
            blocks, compressed = _inflated(path, name), True
        else:
            blocks, compressed = _blocks(path), False
        survey = _Survey(name)
        for block in blocks:
            survey.add(block)
        return survey.encoding(compressed=compressed)


def decoded_blocks(path: Path, name: str, encoding: TextEncoding) -> Iterator[str]:
    """The text of a file in blocks, without a byte order mark.

    Raises:
        InvalidRequest: Bytes do not fit the encoding; the message names the line.
    """
    decoder, skip, lines = codecs.getincrementaldecoder(encoding.codec)(), encoding.mark, 1
    try:
        for block in _inflated(path, name) if encoding.compressed else _blocks(path):
            text = decoder.decode(block[skip:])
            skip = max(skip - len(block), 0)
            text = text.replace("\r", "\n") if encoding.old_line_ends else text
            if "\0" in text:
                raise _no_text(name, lines + text[: text.index("\0")].count("\n"))
            lines += text.count("\n")
            yield text
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        cut = _CUT if error.end == len(error.object) else "is damaged"
        raise InvalidRequest(f"{name}, line {lines}: the file {cut}. Write the file again as UTF-8.") from error


def read_text(path: Path, name: str) -> tuple[str, TextEncoding]:
    """The whole text of a file, and its encoding. For files that fit into memory.

    Raises:
        InvalidRequest: As of ``detect_encoding``.
    """
    encoding = detect_encoding(path, name)
    return "".join(decoded_blocks(path, name, encoding)), encoding


def as_utf8(path: Path, name: str, folder: Path) -> tuple[Path, TextEncoding]:
    """A file that readers of UTF-8 can read, and the encoding of the original.

    It is the file itself if that is UTF-8 without a mark (or gzip of it), else a decoded copy in ``folder``.

    Raises:
        InvalidRequest: As of ``detect_encoding``.
    """
    encoding = detect_encoding(path, name)
    if encoding.plain:
        return path, encoding
    copy = folder / f"{sum(1 for _ in folder.iterdir())}-{path.name.removesuffix('.gz')}"
    with copy.open("w", encoding="utf-8", newline="") as file:
        file.writelines(decoded_blocks(path, name, encoding))
    return copy, encoding


class _Survey:
    """What detection needs to know of a file's bytes, gathered block by block."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._head = b""
        self._sample = bytearray()  # the blocks with bytes above 127, cut to SAMPLE
        self._nul = [0, 0]  # NUL bytes at even and at odd positions
        self._first_nul: int | None = None  # the line
        self._size = self._lines = self._returns = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._damage: int | None = None  # the first line that is not UTF-8

    def add(self, block: bytes) -> None:
        if not self._size:
            self._head = block[:16]
        if b"\0" in block:
            zeros = [block[half::2].count(0) for half in (0, 1)]
            shift = self._size % 2
            self._nul[shift] += zeros[0]
            self._nul[1 - shift] += zeros[1]
            if self._first_nul is None:
                self._first_nul = self._lines + block[: block.index(0)].count(b"\n") + 1
        if not block.isascii():
            self._add_letters(block)
        self._size += len(block)
        self._lines += block.count(b"\n")
        self._returns += block.count(b"\r")

    def _add_letters(self, block: bytes) -> None:
        if len(self._sample) < SAMPLE:
            first = next(position for position, byte in enumerate(block) if byte > 127)
            start = block.rfind(b"\n", 0, first) + 1
            self._sample += block[start : start + SAMPLE]
        if self._damage is not None:
            return
        try:
            self._decoder.decode(block)
        except UnicodeDecodeError as error:
            self._damage = self._lines + block[: error.start].count(b"\n") + 1

    def encoding(self, *, compressed: bool) -> TextEncoding:
        for mark, codec in _MARKS:
            if self._head.startswith(mark):
                if codec == "utf-8":
                    self._check_utf8()
                return TextEncoding(codec, len(mark), compressed=compressed, old_line_ends=self._old_line_ends)
        for signature, what in _OTHER_FORMATS:
            if self._head.startswith(signature):
                raise InvalidRequest(f"{self._name} is not text but {what}.")
        if self._first_nul is not None:
            return TextEncoding(self._utf16(), compressed=compressed)
        if (self._damage is None and not self._ends_inside_a_letter()) or self._mostly_utf8():
            self._check_utf8()
            return TextEncoding("utf-8", compressed=compressed, old_line_ends=self._old_line_ends)
        guess = guess_code_page(bytes(self._sample))
        if guess is None:
            line = self._damage or self._lines + 1
            raise InvalidRequest(
                f"{self._name} is not UTF-8, and its encoding is not recognised (line {line}): save it as CSV UTF-8."
            )
        return TextEncoding(guess, guessed=True, compressed=compressed, old_line_ends=self._old_line_ends)

    @property
    def _old_line_ends(self) -> bool:
        return self._returns > 0 and self._lines == 0

    def _ends_inside_a_letter(self) -> bool:
        return bool(self._decoder.getstate()[0])

    def _mostly_utf8(self) -> bool:
        """Whether most letters are valid UTF-8, which no code page gives by chance, so that the file is damaged."""
        text = bytes(self._sample).decode("utf-8", "replace")
        valid = sum(letter > "\x7f" and letter != "\ufffd" for letter in text)
        return valid > _MOSTLY * text.count("\ufffd")

    def _check_utf8(self) -> None:
        if self._damage is not None:
            raise InvalidRequest(
                f"{self._name}, line {self._damage}: bytes that are not UTF-8, in a file that is otherwise UTF-8. "
                "Write the file again as UTF-8, or correct the line."
            )
        if self._ends_inside_a_letter():
            raise InvalidRequest(f"{self._name}, line {self._lines + 1}: the file {_CUT}. Write it again as UTF-8.")

    def _utf16(self) -> str:
        """The codec of UTF-16 without a mark: nearly all NUL bytes are in one half of the byte pairs."""
        even, odd = self._nul
        little = odd > even
        strays = min(even, odd)
        if max(even, odd) * 10 > self._size and strays <= _RARE * max(even, odd):
            return "utf-16-le" if little else "utf-16-be"
        raise _no_text(self._name, self._first_nul or 1)


def _no_text(name: str, line: int) -> InvalidRequest:
    return InvalidRequest(
        f"{name}, line {line}: a NUL byte, which no text has: the file is damaged or not text. Write it again as UTF-8."
    )


def _opened(path: Path) -> IO[bytes]:
    return path.open("rb")


def _blocks(path: Path) -> Iterator[bytes]:
    with _opened(path) as file:
        while block := file.read(BLOCK):
            yield block


def _inflated(path: Path, name: str) -> Iterator[bytes]:
    """The content of a gzip file. Raises InvalidRequest if it is damaged or cut off."""
    try:
        with gzip.open(path, "rb") as file:
            while block := cast("IO[bytes]", file).read(BLOCK):
                yield block
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        cut = "is cut off" if isinstance(error, EOFError) else "is damaged"
        raise InvalidRequest(
            f"{name} {cut}: gzip cannot decompress it ({error}). Copy or compress it again."
        ) from error

"""The log of a training job: the last megabyte of its output, read by offsets that stay valid when its start is cut."""

import re
from dataclasses import dataclass
from typing import Final

from larder.errors import MissingObject
from larder.release.keys import JOB_LOG, job_key
from larder.store import Store

MAX_BYTES: Final = 2**20
_CUT: Final = b"[%d bytes before this line are not kept]\n"
_IS_CUT: Final = re.compile(rb"\[(\d+) bytes before this line are not kept\]\n")


@dataclass(frozen=True, slots=True)
class JobOutput:
    """A part of a log.

    Attributes:
        text: Its text.
        start: The offset of its first byte in the whole output.
        end: The offset after its last byte, from which the next part begins.
    """

    text: str
    start: int
    end: int


def append_log(store: Store, model: str, job: str, output: bytes) -> None:
    """Add output to the log of a job, whose runner alone writes it; what is more than ``MAX_BYTES`` leaves its start,
    by whole lines.
    """
    if not output:
        return
    start, kept = _read(store, model, job)
    kept += output
    if len(kept) > MAX_BYTES:
        cut = kept.find(b"\n", len(kept) - MAX_BYTES - 1) + 1 or len(kept) - MAX_BYTES
        start, kept = start + cut, kept[cut:]
    store.put(job_key(model, job, JOB_LOG), (_CUT % start if start else b"") + kept)


def read_log(store: Store, model: str, job: str, start: int | None, most: int) -> JobOutput:
    """At most ``most`` bytes of a log from the offset ``start``, or its end if that is None.

    A start that is not kept any more gives what follows it; one beyond the end, an empty part.
    """
    first, kept = _read(store, model, job)
    if start is None:
        from_ = max(0, len(kept) - most)
        from_ = kept.find(b"\n", from_ - 1) + 1 if from_ else 0
    else:
        from_ = min(max(0, start - first), len(kept))
    part = kept[from_ : from_ + most]
    if len(kept) > from_ + most and not _is_character(kept[from_ + most]):
        while part and not _is_character(part[-1]):
            part = part[:-1]
        part = part[:-1]
    return JobOutput(part.decode(errors="replace"), first + from_, first + from_ + len(part))


def _is_character(byte: int) -> bool:
    """Whether a character of UTF-8 begins with the byte."""
    return byte & 0xC0 != 0x80


def _read(store: Store, model: str, job: str) -> tuple[int, bytes]:
    """The offset of the first byte that is kept, and all bytes from it."""
    try:
        data = store.get(job_key(model, job, JOB_LOG)).data
    except MissingObject:
        return 0, b""
    cut = _IS_CUT.match(data)
    return (int(cut[1]), data[cut.end() :]) if cut else (0, data)

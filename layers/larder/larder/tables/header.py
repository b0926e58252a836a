"""The head of a safetensors file: which tensors it holds and where, with every bound checked.

The format is https://github.com/huggingface/safetensors#format: 8 bytes little endian with the header's length, the
header as JSON, then the tensors' bytes without a hole. What that library refuses is refused here too, and so are
things that it lets pass (a name twice, a header that could exhaust memory).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn, cast

from larder.tables.reader import Buffer, invalid

FORMAT: Final = "1"
MAX_HEADER_BYTES: Final = 2**20
PREFIX_BYTES: Final = 8

_ITEM_BYTES: Final = {
    **dict.fromkeys(("BOOL", "U8", "I8"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}
_ENTRY: Final = {"dtype", "shape", "data_offsets"}
_METADATA: Final = "__metadata__"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: ``start`` and ``end`` are bytes from the beginning of the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def nbytes(self) -> int:
        """Length in bytes."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Header:
    """A checked header. ``data_start`` is the byte at which the first tensor begins; ``file`` names it in messages."""

    file: str
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    data_start: int

    def require(self, table: str) -> None:
        """Raises InvalidTable unless the metadata say that this is a ``table`` in the format that is read here."""
        found = self.metadata.get("larder_format")
        if found != FORMAT:
            raise invalid(
                self.file, f"its larder_format is {found!r} and this version reads {FORMAT!r} only (upgrade Larder)"
            )
        if self.metadata.get("table") != table:
            raise invalid(self.file, f"it is a table of kind {self.metadata.get('table')!r}, not {table!r}")

    def tensor(self, name: str, dtype: str, shape: tuple[int | None, ...]) -> Tensor:
        """The tensor ``name``; raises InvalidTable unless it is there with this dtype and shape (None: any length)."""
        tensor = self.tensors.get(name)
        if tensor is None:
            raise invalid(self.file, f"it has no tensor {name!r}")
        fits = len(tensor.shape) == len(shape) and all(
            want in {None, have} for want, have in zip(shape, tensor.shape, strict=True)
        )
        if tensor.dtype != dtype or not fits:
            wanted = ["any" if want is None else want for want in shape]
            raise invalid(self.file, f"tensor {name!r} is {tensor.dtype} {list(tensor.shape)}, not {dtype} {wanted}")
        return tensor


def parse_header(head: Buffer, size: int, file: str = "this table") -> Header:
    """Reads the header at the front of a file.

    Args:
        head: the file's first bytes, at least the whole header.
        size: the file's length in bytes.
        file: what messages call it.

    Raises:
        InvalidTable: a bound, a type or a number is wrong, or the tensors do not fill the file exactly.
    """
    if len(head) < PREFIX_BYTES or size < PREFIX_BYTES:
        raise invalid(file, f"it has {min(len(head), size)} bytes, fewer than the 8 that any table begins with")
    length = _header_length(head, size, file)
    if len(head) < PREFIX_BYTES + length:
        raise invalid(
            file,
            f"its header ends at byte {PREFIX_BYTES + length}, beyond the {len(head)} bytes of its head",
        )
    document = _load(bytes(head[PREFIX_BYTES : PREFIX_BYTES + length]), file)
    metadata = _metadata(document.pop(_METADATA, {}), file)
    data_start = PREFIX_BYTES + length
    tensors = {name: _tensor(name, entry, data_start, file) for name, entry in document.items()}
    _check_layout(tensors, data_start, size, file)
    return Header(file, tensors, metadata, data_start)


def _header_length(prefix: Buffer, size: int, file: str) -> int:
    length = int.from_bytes(prefix[:PREFIX_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        raise invalid(file, f"its header is said to have {length} bytes; the limit is {MAX_HEADER_BYTES}")
    if PREFIX_BYTES + length > size:
        raise invalid(file, f"its header of {length} bytes goes past its end at byte {size}")
    return length


def _load(data: bytes, file: str) -> dict[str, object]:
    if not data.startswith(b"{"):
        raise invalid(file, "its header does not begin with '{'")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise invalid(file, f"its header is not UTF-8 ({error.reason})") from error

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = dict(pairs)
        if len(names) != len(pairs):
            raise invalid(file, "its header has a name twice")
        return names

    try:
        return cast("dict[str, object]", json.loads(text, object_pairs_hook=unique, parse_constant=_no_constant))
    except (ValueError, RecursionError) as error:
        raise invalid(file, f"its header is not JSON ({error})") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _metadata(entries: object, file: str) -> dict[str, str]:
    if not isinstance(entries, dict) or not all(isinstance(text, str) for text in entries.values()):
        raise invalid(file, "its __metadata__ is not an object of texts")
    return cast("dict[str, str]", entries)


def _tensor(name: str, entry: object, data_start: int, file: str) -> Tensor:
    if not isinstance(entry, dict) or entry.keys() != _ENTRY:
        raise invalid(file, f"tensor {name!r:.60} is not an object of dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _ITEM_BYTES:
        raise invalid(file, f"tensor {name!r:.60} has the unknown dtype {dtype!r:.60}")
    if not _naturals(shape):
        raise invalid(
            file, f"tensor {name!r:.60} has the shape {shape!r:.60}, which is no list of whole numbers from 0 up"
        )
    if not _naturals(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise invalid(
            file,
            f"tensor {name!r:.60} has the data_offsets {offsets!r:.60}, which are not two whole numbers that ascend",
        )
    start, end = offsets
    if math.prod(shape) * _ITEM_BYTES[dtype] != end - start:
        raise invalid(file, f"tensor {name!r:.60} has {end - start} bytes, which its shape and dtype do not need")
    return Tensor(dtype, tuple(shape), data_start + start, data_start + end)


def _naturals(values: object) -> bool:
    # bool is an int to isinstance, and a shape of [true] means nothing.
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _check_layout(tensors: Mapping[str, Tensor], data_start: int, size: int, file: str) -> None:
    end = data_start
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if tensor.start != end:
            raise invalid(
                file, f"tensor {name!r:.60} begins at byte {tensor.start}, not at {end} where the one before it ends"
            )
        end = tensor.end
    if end > size:
        raise invalid(file, f"it is cut short: its tensors end at byte {end}, the file at {size}")
    if end < size:
        raise invalid(file, f"it has {size - end} bytes after its last tensor")

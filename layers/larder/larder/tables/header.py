"""The header of a safetensors file: its tensors and their positions, with every bound checked.

The format is https://github.com/huggingface/safetensors#format: the header's length in 8 bytes little endian, the
header as JSON, then the tensors' bytes without holes. This parser refuses everything that the safetensors library does,
and also duplicate names and headers that could exhaust memory.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from larder.release.json_fields import reject_constant
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
    """One tensor of a file.

    Attributes:
        dtype: The data type, as safetensors names it.
        shape: The shape.
        start: The position of the first byte in the file.
        end: The position after the last byte.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def nbytes(self) -> int:
        """The length in bytes."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Header:
    """A checked header.

    Attributes:
        file: The file's name in error messages.
        tensors: The tensors by name.
        metadata: The metadata, texts by name.
        data_start: The position where the first tensor begins.
    """

    file: str
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    data_start: int

    def require(self, table: str) -> None:
        """Raise InvalidTable unless the metadata name this kind of ``table`` and the supported format."""
        version = self.metadata.get("larder_format")
        if version != FORMAT:
            raise invalid(
                self.file, f"its larder_format is {version!r}, but this version reads only {FORMAT!r} (upgrade Larder)"
            )
        if self.metadata.get("table") != table:
            raise invalid(self.file, f"it is a table of kind {self.metadata.get('table')!r}, not {table!r}")

    def tensor(self, name: str, dtype: str, shape: tuple[int | None, ...]) -> Tensor:
        """The tensor ``name``; raises InvalidTable unless it has this dtype and shape (None: any length)."""
        tensor = self.tensors.get(name)
        if tensor is None:
            raise invalid(self.file, f"it has no tensor {name!r}")
        same = len(tensor.shape) == len(shape) and all(
            expected in {None, length} for expected, length in zip(shape, tensor.shape, strict=True)
        )
        if tensor.dtype != dtype or not same:
            lengths = ["any" if expected is None else expected for expected in shape]
            raise invalid(self.file, f"tensor {name!r} is {tensor.dtype} {list(tensor.shape)}, not {dtype} {lengths}")
        return tensor


def parse_header(head: Buffer, size: int, file: str = "this table") -> Header:
    """Read the header of a file.

    Args:
        head: The first bytes of the file, at least the whole header.
        size: The length of the file in bytes.
        file: The name of the file in error messages.

    Raises:
        InvalidTable: a bound, type or number is invalid, or the tensors do not fill the file exactly.
    """
    if len(head) < PREFIX_BYTES or size < PREFIX_BYTES:
        raise invalid(file, f"it has {min(len(head), size)} bytes, fewer than the 8 of the header's length")
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
        raise invalid(file, f"its header has {length} bytes; the limit is {MAX_HEADER_BYTES}")
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
            raise invalid(file, "its header has a duplicate name")
        return names

    try:
        return cast("dict[str, object]", json.loads(text, object_pairs_hook=unique, parse_constant=reject_constant))
    except (ValueError, RecursionError) as error:
        raise invalid(file, f"its header is not JSON ({error})") from error


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
            file, f"tensor {name!r:.60} has the shape {shape!r:.60}, which is not a list of whole numbers of at least 0"
        )
    if not _naturals(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise invalid(
            file,
            f"tensor {name!r:.60} has the data_offsets {offsets!r:.60}, which are not two ascending whole numbers",
        )
    start, end = offsets
    if math.prod(shape) * _ITEM_BYTES[dtype] != end - start:
        raise invalid(file, f"tensor {name!r:.60} has {end - start} bytes, which does not match its shape and dtype")
    return Tensor(dtype, tuple(shape), data_start + start, data_start + end)


def _naturals(values: object) -> bool:
    # For isinstance, a bool is an int, but a shape of [true] is invalid.
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _check_layout(tensors: Mapping[str, Tensor], data_start: int, size: int, file: str) -> None:
    end = data_start
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if tensor.start != end:
            raise invalid(
                file, f"tensor {name!r:.60} begins at byte {tensor.start}, not at {end}, where the previous one ends"
            )
        end = tensor.end
    if end > size:
        raise invalid(file, f"it is truncated: its tensors end at byte {end}, the file at {size}")
    if end < size:
        raise invalid(file, f"it has {size - end} bytes after its last tensor")

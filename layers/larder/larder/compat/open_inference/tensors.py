"""Tensors of the protocol: in JSON, or as raw little-endian bytes after the JSON."""

import math
import struct
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, TypeGuard

from larder.errors import InvalidRequest

BYTES: Final = "BYTES"
UINT8: Final = "UINT8"
BOOL: Final = "BOOL"
FP32: Final = "FP32"
# Bytes of one element; an element of BYTES has any number, after its length in 4 bytes.
_SIZES: Final = {
    BOOL: 1,
    UINT8: 1,
    "UINT16": 2,
    "UINT32": 4,
    "UINT64": 8,
    "INT8": 1,
    "INT16": 2,
    "INT32": 4,
    "INT64": 8,
    "FP16": 2,
    "BF16": 2,
    FP32: 4,
    "FP64": 8,
    BYTES: None,
}
_MAX_ELEMENTS: Final = 2**26
_MAX_DIMENSIONS: Final = 8
_LENGTH: Final = struct.Struct("<I")
_SHOWN: Final = 60  # characters of a wrong value
_FIELDS: Final = frozenset({"name", "shape", "datatype", "parameters", "data"})


@dataclass(frozen=True, slots=True)
class InferenceTensor:
    """A tensor.

    Attributes:
        name: The name of the input or output.
        datatype: The name of the datatype, such as ``FP32``.
        shape: The length of each dimension.
        texts: The elements of a tensor of BYTES, in row-major order; empty for others.
        raw: The elements of any other tensor, little-endian, in row-major order.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    texts: Sequence[bytes] = ()
    raw: bytes = b""

    def json_values(self) -> list[Any]:
        """The elements as a flat list for JSON. Raises InvalidRequest for BYTES that are not UTF-8."""
        if self.datatype == BYTES:
            try:
                return [text.decode() for text in self.texts]
            except UnicodeDecodeError as error:
                raise InvalidRequest(f"output {self.name} is not text: ask for it with binary_data true.") from error
        if self.datatype == FP32:
            # The fewest digits that give the same number of 32 bits again.
            return [float(f"{value:.9g}") for value in array("f", self.raw)]
        return [bool(value) for value in self.raw] if self.datatype == BOOL else list(self.raw)

    def binary(self) -> bytes:
        """The elements as the binary extension sends them."""
        if self.datatype != BYTES:
            return self.raw
        return b"".join(chain.from_iterable((_LENGTH.pack(len(text)), text) for text in self.texts))


def floats(name: str, shape: tuple[int, ...], values: Iterable[float]) -> InferenceTensor:
    """A tensor of FP32."""
    return InferenceTensor(
        name, FP32, shape, raw=array("f", values).tobytes()
    )  # every platform of Lambda is little-endian


def read_inputs(value: object, binary: bytes | None) -> dict[str, InferenceTensor]:
    """The inputs of a request, by name.

    Args:
        value: The list ``inputs`` of the JSON.
        binary: What follows the JSON, or None if the request has no binary part.

    Raises:
        InvalidRequest: an input breaks the protocol.
    """
    if not isinstance(value, list):
        raise InvalidRequest("inputs is missing or not a list: send a list of tensors.")
    inputs: dict[str, InferenceTensor] = {}
    rest = memoryview(binary or b"")
    for entry in value:
        tensor, size = _read(entry, rest, has_binary=binary is not None)
        rest = rest[size:]
        if tensor.name in inputs:
            raise InvalidRequest(f"input {_shown(tensor.name)} is sent twice: send each input once.")
        inputs[tensor.name] = tensor
    if rest:
        raise InvalidRequest(f"{len(rest)} bytes follow the last tensor: check binary_data_size of each input.")
    return inputs


def _read(entry: object, rest: memoryview, *, has_binary: bool) -> tuple[InferenceTensor, int]:
    """One input, and how many bytes of the binary part it takes."""
    if not isinstance(entry, dict) or not isinstance(name := entry.get("name"), str) or not name:
        raise InvalidRequest("an entry of inputs has no name: send name, shape, datatype and data.")
    for field in entry:
        if field not in _FIELDS:
            raise InvalidRequest(f"input {_shown(name)} has the field {_shown(field)}: use {', '.join(_FIELDS)}.")
    datatype, shape = entry.get("datatype"), _shape(name, entry.get("shape"))
    if not isinstance(datatype, str) or datatype not in _SIZES:
        raise InvalidRequest(f"input {_shown(name)}: datatype is {_shown(datatype)}: use one of {', '.join(_SIZES)}.")
    parameters = read_object(f"parameters of input {_shown(name)}", entry.get("parameters"))
    if "shared_memory_region" in parameters:
        raise InvalidRequest(
            f"input {_shown(name)} is in shared memory, which this service has none of: send the data."
        )
    size = parameters.get("binary_data_size")
    if size is None:
        return _from_json(name, datatype, shape, entry.get("data")), 0
    if not has_binary:
        raise InvalidRequest(
            f"input {_shown(name)} has binary_data_size, but the request lacks the header "
            "Inference-Header-Content-Length: send the length of the JSON in it."
        )
    if not _is_whole(size) or size > len(rest):
        raise InvalidRequest(
            f"input {_shown(name)}: binary_data_size is {_shown(size)}, but {len(rest)} bytes are left: send the bytes "
            "of each input after the JSON, in order."
        )
    return _from_binary(name, datatype, shape, bytes(rest[:size])), size


def _shape(name: str, value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) > _MAX_DIMENSIONS or not all(map(_is_whole, value)):
        raise InvalidRequest(
            f"input {_shown(name)}: shape is {_shown(value)}: send a list of at most {_MAX_DIMENSIONS} whole numbers."
        )
    if math.prod(value) > _MAX_ELEMENTS:
        raise InvalidRequest(f"input {_shown(name)} has more than {_MAX_ELEMENTS} elements: send smaller batches.")
    return tuple(value)


def _from_binary(name: str, datatype: str, shape: tuple[int, ...], raw: bytes) -> InferenceTensor:
    if datatype == BYTES:
        texts = _split(name, raw)
        _check_count(name, shape, len(texts))
        return InferenceTensor(name, datatype, shape, texts=texts)
    expected = math.prod(shape) * (_SIZES[datatype] or 0)
    if len(raw) != expected:
        raise InvalidRequest(
            f"input {_shown(name)} of shape {list(shape)} and datatype {datatype} takes {expected} bytes, not "
            f"{len(raw)}: check its shape."
        )
    return InferenceTensor(name, datatype, shape, raw=raw)


def _split(name: str, raw: bytes) -> list[bytes]:
    texts: list[bytes] = []
    at = 0
    while at < len(raw):
        start = at + _LENGTH.size
        length = _LENGTH.unpack_from(raw, at)[0] if start <= len(raw) else len(raw)
        at = start + length
        if at > len(raw):
            raise InvalidRequest(
                f"input {_shown(name)}: element {len(texts) + 1} is longer than the data: put the length of each "
                "element before it, in 4 bytes, little-endian."
            )
        texts.append(raw[start:at])
    return texts


def _from_json(name: str, datatype: str, shape: tuple[int, ...], data: object) -> InferenceTensor:
    if not isinstance(data, list):
        raise InvalidRequest(f"input {_shown(name)} has no data: send a list, or binary_data_size and the bytes.")
    values = _flat(name, shape, data)
    _check_count(name, shape, len(values))
    if datatype == BYTES:
        if not all(isinstance(value, str) for value in values):
            raise InvalidRequest(f"input {_shown(name)}: data of datatype BYTES are strings in JSON.")
        return InferenceTensor(name, datatype, shape, texts=[value.encode() for value in values])
    if datatype == UINT8:
        if not all(_is_whole(value) and value < 256 for value in values):
            raise InvalidRequest(f"input {_shown(name)}: data of datatype UINT8 are whole numbers from 0 to 255.")
        return InferenceTensor(name, datatype, shape, raw=bytes(values))
    return InferenceTensor(name, datatype, shape)  # no model takes it, as its error will say


def _flat(name: str, shape: tuple[int, ...], data: list[Any]) -> list[Any]:
    """The elements in row-major order; ``data`` is flat already, or nested as ``shape`` states."""
    if not any(isinstance(value, list) for value in data):
        return data
    level: list[Any] = [data]
    for length in shape:
        if not all(isinstance(values, list) and len(values) == length for values in level):
            raise InvalidRequest(f"input {_shown(name)}: data are not nested as shape {list(shape)}: send a flat list.")
        level = list(chain.from_iterable(level))
    return level


def _check_count(name: str, shape: tuple[int, ...], count: int) -> None:
    if count != math.prod(shape):
        raise InvalidRequest(
            f"input {_shown(name)} has {count} elements, but its shape {list(shape)} has {math.prod(shape)}: "
            "correct one of them."
        )


def read_object(what: str, value: object) -> Mapping[str, object]:
    """An optional JSON object; raises InvalidRequest for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest(f"{what}: {_shown(value)} is not an object: send names and values.")
    return value


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _shown(value: object) -> str:
    return f"{value!r:.{_SHOWN}}"

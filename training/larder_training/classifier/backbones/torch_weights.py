"""Reads weights that PyTorch saved before version 1.6, without PyTorch and without running what the file says.

Such a file is a sequence of pickles (magic number, protocol, system, tensors, keys of the storages), then each storage:
8 bytes with the number of elements, then the elements. A pickle may name any function; this reader knows the four names
that tensors need and refuses all others.
"""

import pickle
import sys
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from larder.errors import InvalidModel

MAGIC: Final = 0x1950A86A20F9469CFC6C
PROTOCOL: Final = 1001

Tensor = NDArray[np.float32] | NDArray[np.int64]


@dataclass(slots=True)
class _Storage:
    """A flat array, whose elements are read after all tensors that refer to it."""

    dtype: np.dtype[Any]
    size: int
    elements: NDArray[Any] | None = None


@dataclass(frozen=True, slots=True)
class _View:
    """A tensor: elements of a storage, found by an offset and a step for each axis."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    steps: tuple[int, ...]

    def array(self) -> Tensor:
        elements, item = self.storage.elements, self.storage.dtype.itemsize
        last = self.offset + sum((size - 1) * step for size, step in zip(self.shape, self.steps, strict=True))
        outside = min((self.offset, *self.shape, *self.steps)) < 0 or last >= self.storage.size
        if elements is None or outside or prod(self.shape) > self.storage.size:
            raise pickle.UnpicklingError("a tensor lies outside of its storage")
        return np.ascontiguousarray(
            as_strided(elements[self.offset :], self.shape, [step * item for step in self.steps], writeable=False)
        ).reshape(self.shape)  # ascontiguousarray makes a number an array of one


@dataclass(frozen=True, slots=True)
class _StorageType:
    dtype: np.dtype[Any]


def _rebuild_tensor(storage: object, offset: int, shape: tuple[int, ...], steps: tuple[int, ...], *_: object) -> _View:
    """Takes the arguments of ``torch._utils._rebuild_tensor_v2``; gradients and hooks do not matter here."""
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor has no storage")
    return _View(storage, int(offset), tuple(map(int, shape)), tuple(map(int, steps)))


_KNOWN: Final[Mapping[tuple[str, str], object]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): _StorageType(np.dtype("<f4")),
    ("torch", "LongStorage"): _StorageType(np.dtype("<i8")),
}


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows the names of ``_KNOWN`` only."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as in the base class
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which weights do not need")
        return _KNOWN[module, name]

    def persistent_load(self, pid: Any) -> _Storage:  # noqa: ANN401 - as in the base class
        kind, storage, key, _device, size, view = pid
        if kind != "storage" or not isinstance(storage, _StorageType) or view is not None:
            raise pickle.UnpicklingError(f"it refers to a {kind!r} of an unknown form")
        return self.storages.setdefault(key, _Storage(storage.dtype, size))


def read_weights(file: BinaryIO, name: str) -> dict[str, Tensor]:
    """The tensors of a file by their names: float32 or int64 arrays.

    Args:
        file: The open file, at its beginning.
        name: Its name, for messages.

    Raises:
        InvalidModel: The file has another format, is damaged, or names anything but tensors; the message says which.
    """
    try:
        return _read(file)
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
        raise InvalidModel(f"The weights {name} cannot be read: {error}. Install their package again.") from error


def _read(file: BinaryIO) -> dict[str, Tensor]:
    magic, protocol, system = (_Unpickler(file).load() for _ in range(3))
    if magic != MAGIC or protocol != PROTOCOL or system.get("little_endian") is not True:
        raise pickle.UnpicklingError("it is not in PyTorch's format before 1.6")
    unpickler = _Unpickler(file)
    tensors = unpickler.load()
    if not isinstance(tensors, dict) or not all(isinstance(view, _View) for view in tensors.values()):
        raise pickle.UnpicklingError("it holds something besides tensors")
    for key in _Unpickler(file).load():
        _fill(unpickler.storages[key], file)
    return {str(name): view.array() for name, view in tensors.items()}


def _fill(storage: _Storage, file: BinaryIO) -> None:
    size = int.from_bytes(file.read(8), "little")
    data = file.read(size * storage.dtype.itemsize) if size == storage.size else b""
    if size != storage.size or len(data) != size * storage.dtype.itemsize:
        raise pickle.UnpicklingError("it is cut short or damaged")
    storage.elements = np.frombuffer(data, storage.dtype).astype(storage.dtype.newbyteorder(sys.byteorder), copy=False)

import pickle
import struct
from collections import OrderedDict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from larder.errors import InvalidModel
from larder_training.classifier.backbones.torch_weights import MAGIC, PROTOCOL, read_weights

SYSTEM = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


class Named:
    """Pickles as a reference to a function or class of any module, which need not exist."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Called:
    """Pickles as the result of calling a ``Named``."""

    def __init__(self, function: Named, *arguments: object) -> None:
        self.function, self.arguments = function, arguments


class Storage:
    def __init__(self, kind: str, key: str, size: int) -> None:
        self.id = ("storage", Named("torch", kind), key, "cpu", size, None)


PurePython: Any = pickle._Pickler  # the C class does not let a subclass write opcodes


class TorchPickler(PurePython):  # type: ignore[misc]  # as above
    """Writes what ``torch.save`` wrote before version 1.6."""

    def persistent_id(self, value: object) -> object:
        return value.id if isinstance(value, Storage) else None

    def save(self, value: object, save_persistent_id: bool = True) -> None:
        if isinstance(value, Named):
            self.write(b"c" + f"{value.module}\n{value.name}\n".encode())
        elif isinstance(value, Called):
            self.save(value.function)
            self.save(value.arguments)
            self.write(b"R")
        else:
            super().save(value, save_persistent_id)


def dump(*values: object) -> bytes:
    file = BytesIO()
    for value in values:
        TorchPickler(file, 2).dump(value)
    return file.getvalue()


def tensor(storage: Storage, offset: int, shape: tuple[int, ...], steps: tuple[int, ...]) -> Called:
    return Called(Named("torch._utils", "_rebuild_tensor_v2"), storage, offset, shape, steps, False, OrderedDict())


def floats(*numbers: float) -> bytes:
    return struct.pack("<q", len(numbers)) + np.array(numbers, "<f4").tobytes()


def file_of(tensors: object, keys: object = (), data: bytes = b"", *, magic: int = MAGIC) -> BytesIO:
    return BytesIO(dump(magic, PROTOCOL, SYSTEM, tensors, list(keys)) + data)  # type: ignore[call-overload]  # keys


def test_tensors_are_read_by_their_shape_and_their_steps() -> None:
    storage, counter = Storage("FloatStorage", "1", 6), Storage("LongStorage", "2", 1)
    tensors = {
        "rows": tensor(storage, 0, (2, 3), (3, 1)),
        "columns": tensor(storage, 0, (3, 2), (1, 3)),  # as a transposed matrix is saved
        "end": tensor(storage, 4, (2,), (1,)),
        "count": tensor(counter, 0, (), ()),
    }
    data = floats(0, 1, 2, 3, 4, 5) + struct.pack("<qq", 1, 7)
    weights = read_weights(file_of(OrderedDict(tensors), ["1", "2"], data), "w.pth")
    assert weights["rows"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert weights["columns"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert weights["end"].tolist() == [4, 5]
    assert weights["count"].shape == ()
    assert int(weights["count"]) == 7
    assert [weights["rows"].dtype, weights["count"].dtype] == [np.float32, np.int64]


@pytest.mark.parametrize(
    ("module", "name"), [("os", "system"), ("builtins", "eval"), ("torch", "HalfStorage"), ("collections", "Counter")]
)
def test_any_other_name_is_refused_before_it_is_called(tmp_path: Path, module: str, name: str) -> None:
    made = tmp_path / "made"
    with pytest.raises(InvalidModel, match=rf"w\.pth cannot be read: it names {module}\.{name}"):
        read_weights(file_of({"a": Called(Named(module, name), f"touch {made}")}), "w.pth")
    assert not made.exists()


@pytest.mark.parametrize(
    ("offset", "shape", "steps"),
    [(3, (2,), (1,)), (-1, (1,), (1,)), (0, (2,), (-1,)), (0, (2, 2), (3, 1)), (0, (9, 9), (0, 0))],
    ids=["behind the end", "before the begin", "backwards", "too wide", "repeated"],
)
def test_a_tensor_outside_of_its_storage_is_refused(
    offset: int, shape: tuple[int, ...], steps: tuple[int, ...]
) -> None:
    tensors = {"a": tensor(Storage("FloatStorage", "1", 4), offset, shape, steps)}
    with pytest.raises(InvalidModel, match="outside of its storage"):
        read_weights(file_of(tensors, ["1"], floats(0, 1, 2, 3)), "w.pth")


def test_a_damaged_file_is_refused() -> None:
    whole = file_of({"a": tensor(Storage("FloatStorage", "1", 4), 0, (4,), (1,))}, ["1"], floats(0, 1, 2, 3))
    data = whole.getvalue()
    for end in (0, 10, len(data) // 2, len(data) - 1):
        with pytest.raises(InvalidModel, match=r"w\.pth cannot be read"):
            read_weights(BytesIO(data[:end]), "w.pth")
    with pytest.raises(InvalidModel, match=r"not in PyTorch's format"):
        read_weights(file_of({}, magic=1), "w.pth")
    with pytest.raises(InvalidModel, match="something besides tensors"):
        read_weights(file_of({"a": 1}), "w.pth")
    with pytest.raises(InvalidModel, match="cannot be read"):
        read_weights(BytesIO(b"PK\x03\x04 a newer file"), "w.pth")

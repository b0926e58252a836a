"""Writes the files that ``larder.tables`` reads: safetensors, reproducible byte for byte.

Every writer fills a temporary file next to the destination and renames it, so that a file is complete if it exists.
Arrays may be on disk (``numpy.memmap``): rows are packed in blocks into a scratch file of the table's size. Memory: the
keys, and 24 bytes per row.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors.numpy import save_file

from larder.errors import InvalidTable
from larder.release.serving import ColumnType, TableSpec
from larder.tables import BLOCK, EMPTY, MAX_HEADER_BYTES, hash_key

FORMAT: Final = "1"
_BLOCK_SLOTS: Final = 2**18  # slots that are packed at once, about 10 MB
_SLOT_BYTES: Final = 6
_LARGEST_SCORE: Final = 65_504.0  # of float16

Arrays = dict[str, NDArray[np.generic]]


def write_dense(path: Path, items: ArrayLike, scores: ArrayLike) -> TableSpec:
    """Writes a table whose row ``number`` belongs to item ``number``.

    Args:
        path: The file; an existing one is replaced.
        items: Integers ``[rows, width]`` from 0 to 0xFFFFFFFF. 0xFFFFFFFF is an unused slot, after the used ones of the
            row.
        scores: Floats ``[rows, width]``, stored as float16; 0 in unused slots.

    Raises:
        InvalidTable: Shapes differ, an item is not a uint32, a score is not finite or beyond float16's 65504, or a used
            slot follows an unused one.
    """
    items, scores = np.asanyarray(items), np.asanyarray(scores)
    _check_slots(path.name, items, scores)
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        rows = _pack(Path(scratch) / "rows", path.name, items, scores, slice)
        head = _write(path, Path(scratch) / path.name, {"rows": rows}, {"table": "dense"})
        del rows  # unmaps the scratch file
    return TableSpec(path.name, items.shape[0], items.shape[1], head)


def write_keyed(path: Path, keys: Sequence[str], items: ArrayLike, scores: ArrayLike) -> TableSpec:
    """Writes a table with text keys: ``keys[i]`` is the key of row i. Otherwise like ``write_dense``.

    Raises:
        InvalidTable: As ``write_dense``, or a key is duplicated, is not valid Unicode, or has the 64-bit hash of
            another key.
    """
    items, scores = np.asanyarray(items), np.asanyarray(scores)
    _check_slots(path.name, items, scores)
    if len(keys) != len(items):
        raise InvalidTable(f"{path.name}: {len(keys)} keys for {len(items)} rows; give one key per row.")
    hashes, order = _sorted_keys(path.name, keys)
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        rows = _pack(Path(scratch) / "rows", path.name, items, scores, lambda start, end: order[start:end])
        tensors: Arrays = {"index": hashes[::BLOCK].copy(), "keys": hashes, "rows": rows}
        head = _write(path, Path(scratch) / path.name, tensors, {"table": "keyed"})
        del rows, tensors["rows"]  # unmaps the scratch file
    return TableSpec(path.name, items.shape[0], items.shape[1], head + tensors["index"].nbytes)


def write_vocabulary(
    path: Path, ids: Sequence[str], columns: Mapping[str, tuple[ColumnType, Sequence[object]]] | None = None
) -> None:
    """Writes the items: ``ids[number]``, and the type and the values of each column.

    Values of category and text columns are str or None (missing), of number columns a real number, None or NaN. All is
    held in memory.

    Raises:
        InvalidTable: An id is duplicated or empty, a column has another length, or a value has the wrong type.
    """
    columns = columns or {}
    hashes, order = _sorted_keys(path.name, ids)
    if not all(ids):
        raise InvalidTable(f"{path.name}: an id is empty; remove the item or give it an id.")
    tensors: Arrays = {**pack_strings("id", ids), "key.hashes": hashes, "key.numbers": order.astype(np.uint32)}
    for name, (kind, values) in columns.items():
        if len(values) != len(ids):
            raise InvalidTable(
                f"{path.name}: column {name!r} has {len(values)} values for {len(ids)} items; give one each."
            )
        pack = _pack_numbers if kind == "number" else _pack_texts
        tensors |= pack(path.name, name, values)
    types = json.dumps({name: kind for name, (kind, _) in columns.items()}, ensure_ascii=False, separators=(",", ":"))
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        _write(path, Path(scratch) / path.name, tensors, {"table": "vocabulary", "columns": types})


def write_probes(
    path: Path, requests: Sequence[bytes], **expected: NDArray[np.generic] | Sequence[str] | Sequence[bytes]
) -> None:
    """Writes golden requests and the expected responses: arrays ``[len(requests), ...]``, or one string per request.

    Raises:
        InvalidTable: An expected value has another length than ``requests``.
    """
    tensors: Arrays = {**pack_strings("request", requests)}
    for name, values in expected.items():
        if len(values) != len(requests):
            raise InvalidTable(f"{path.name}: {len(values)} of {name!r} for {len(requests)} requests; give one each.")
        tensors |= (
            {name: np.ascontiguousarray(values)} if isinstance(values, np.ndarray) else pack_strings(name, values)
        )
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        _write(path, Path(scratch) / path.name, tensors, {"table": "probes"})


def pack_strings(name: str, values: Sequence[str] | Sequence[bytes]) -> Arrays:
    """The tensors of a column of strings: ``<name>.offsets`` uint64 ``[n + 1]`` and ``<name>.bytes`` uint8.

    Raises:
        InvalidTable: A value is not valid Unicode.
    """
    encoded = [value if isinstance(value, bytes) else _encode(name, value) for value in values]
    offsets = np.zeros(len(encoded) + 1, np.uint64)
    np.cumsum([len(value) for value in encoded], out=offsets[1:], dtype=np.uint64)
    return {f"{name}.offsets": offsets, f"{name}.bytes": np.frombuffer(b"".join(encoded), np.uint8)}


def _encode(file: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidTable(f"{file}: {text!r:.80} is not valid Unicode; read your data as UTF-8.") from error


def _sorted_keys(file: str, keys: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """The hashes of ``keys``, ascending, and the index of each key."""
    for key in keys:
        _encode(file, key)
    hashes = np.fromiter((hash_key(key) for key in keys), np.uint64, count=len(keys))
    order = np.argsort(hashes, kind="stable")
    hashes = hashes[order]
    (equal,) = np.nonzero(hashes[1:] == hashes[:-1])
    if equal.size:
        first, second = keys[order[equal[0]]], keys[order[equal[0] + 1]]
        if first == second:
            raise InvalidTable(f"{file}: {first!r:.80} is duplicated; keep one row.")
        raise InvalidTable(f"{file}: {first!r:.80} and {second!r:.80} have the same 64-bit hash; rename one of them.")
    return hashes, order


def _check_slots(file: str, items: NDArray[np.generic], scores: NDArray[np.generic]) -> None:
    if items.ndim != 2 or items.shape != scores.shape or not 1 <= items.shape[1] <= 65_535:
        raise InvalidTable(
            f"{file}: items {list(items.shape)} and scores {list(scores.shape)} are not both [rows, width]; "
            "give two equal shapes."
        )
    if items.dtype.kind not in "iu" or scores.dtype.kind not in "fiu":
        raise InvalidTable(f"{file}: items are {items.dtype} and scores {scores.dtype}; give integers and floats.")


def _pack(
    scratch: Path,
    file: str,
    items: NDArray[np.generic],
    scores: NDArray[np.generic],
    of: Callable[[int, int], slice | NDArray[np.intp]],
) -> NDArray[np.uint8]:
    """Rows as bytes, ``[rows, 6 * width]``, in a scratch file; ``of(start, end)`` indexes the input's rows."""
    rows, width = items.shape
    if not rows:
        return np.empty((0, _SLOT_BYTES * width), np.uint8)
    packed = np.memmap(scratch, np.uint8, "w+", shape=(rows, _SLOT_BYTES * width))
    step = max(1, _BLOCK_SLOTS // width)
    for start in range(0, rows, step):
        end = min(start + step, rows)
        block, values = np.asarray(items[of(start, end)]), np.asarray(scores[of(start, end)], np.float64)
        unused = _unused(file, block)
        values = np.where(unused, 0.0, values)
        if not (np.abs(values) <= _LARGEST_SCORE).all():
            worst = values[~(np.abs(values) <= _LARGEST_SCORE)][0]
            raise InvalidTable(f"{file}: the score {worst} does not fit float16 (65504 at most); scale the scores.")
        packed[start:end, : 4 * width] = block.astype("<u4").view(np.uint8).reshape(end - start, -1)
        packed[start:end, 4 * width :] = values.astype("<f2").view(np.uint8).reshape(end - start, -1)
    return packed


def _unused(file: str, items: NDArray[np.generic]) -> NDArray[np.bool_]:
    if items.size and (items.min() < 0 or items.max() > EMPTY):
        raise InvalidTable(f"{file}: an item number is not from 0 to {EMPTY}; number the items from 0.")
    unused: NDArray[np.bool_] = np.equal(items, EMPTY)
    if (unused[:, :-1] & ~unused[:, 1:]).any():
        raise InvalidTable(f"{file}: a used slot follows an unused one; put the used slots of a row first.")
    return unused


def _pack_texts(file: str, column: str, values: Sequence[object]) -> Arrays:
    numbers: dict[str, int] = {}
    codes = np.full(len(values), EMPTY, np.uint32)
    for item, value in enumerate(values):
        if value is None:
            continue
        if not isinstance(value, str):
            raise InvalidTable(
                f"{file}: {value!r:.80} in column {column!r} is not text; give strings and None, or type 'number'."
            )
        codes[item] = numbers.setdefault(value, len(numbers))
    return {f"column.{column}.codes": codes, **pack_strings(f"column.{column}.values", list(numbers))}


def _pack_numbers(file: str, column: str, values: Sequence[object]) -> Arrays:
    try:
        numbers = np.array([np.nan if value is None else value for value in values], np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidTable(
            f"{file}: a value of column {column!r} is not a number ({error}); use type 'category'."
        ) from error
    if np.isinf(numbers).any():
        raise InvalidTable(f"{file}: a value of column {column!r} is infinite; use None.")
    return {f"column.{column}.numbers": numbers}


def _write(path: Path, scratch: Path, tensors: Arrays, metadata: Mapping[str, str]) -> int:
    """Writes ``scratch``, renames it to ``path``, and returns the number of bytes before the first tensor."""
    save_file(tensors, scratch, {"larder_format": FORMAT, **metadata})
    with scratch.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        # The library writes __metadata__ in the random order of a hash map: sort it.
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        if length > MAX_HEADER_BYTES or len(text) > length:
            raise InvalidTable(
                f"{path.name}: its header needs {len(text)} bytes of {length}; use fewer or shorter column names."
            )
        file.seek(8)
        file.write(text.ljust(length))
    scratch.replace(path)
    return 8 + length

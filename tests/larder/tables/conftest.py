"""The committed files, and toy tables of any size."""

import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from larder.tables import EMPTY

HERE = Path(__file__).parent

Toy = tuple[list[str], NDArray[np.uint32], NDArray[np.float16]]


@pytest.fixture(scope="session")
def golden() -> SimpleNamespace:
    """The names that make_golden.py defines, and the ``folder`` of its files."""
    return SimpleNamespace(**runpy.run_path(str(HERE / "make_golden.py")), folder=HERE / "golden")


@pytest.fixture(scope="session")
def hostile() -> SimpleNamespace:
    """The names that make_hostile.py defines, and the ``folder`` of its files."""
    return SimpleNamespace(**runpy.run_path(str(HERE / "make_hostile.py")), folder=HERE / "hostile")


@pytest.fixture(scope="session")
def toy() -> Callable[..., Toy]:
    """A function that creates ``rows`` users with slots, some of them unused."""

    def make(rows: int, width: int = 3, items: int = 1000) -> Toy:
        rng = np.random.default_rng(rows * 100 + width)
        numbers = rng.integers(0, items, (rows, width)).astype(np.uint32)
        scores = rng.normal(size=(rows, width)).astype(np.float16)
        used = rng.integers(0, width + 1, (rows, 1))
        unused = np.arange(width) >= used
        numbers[unused], scores[unused] = EMPTY, 0
        return [f"Nutzer {number} ü" for number in range(rows)], numbers, scores

    return make


@pytest.fixture(scope="session")
def as_dict() -> Callable[[Toy], Mapping[str, tuple[tuple[int, ...], tuple[float, ...]]]]:
    """The oracle: the same table as a dict."""

    def make(toy: Toy) -> dict[str, tuple[tuple[int, ...], tuple[float, ...]]]:
        table = {}
        for key, numbers, scores in zip(*toy, strict=True):
            used = int((numbers != EMPTY).sum())
            table[key] = tuple(numbers[:used].tolist()), tuple(scores[:used].tolist())
        return table

    return make

"""Write ``golden/``: one small file of each kind, whose bytes define the format.

    .venv/bin/python tests/larder/tables/make_golden.py tests/larder/tables/golden

Run it again only if the version of the format changes: published releases keep these bytes.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from larder.release.serving import ColumnType, TableSpec
from larder.tables import EMPTY
from larder_training.release.tables import write_dense, write_keyed, write_probes, write_vocabulary

Slots: TypeAlias = tuple[tuple[int, ...], tuple[float, ...]]

USERS: dict[str, Slots] = {"anna": ((2, 0), (0.5, 0.25)), "björn": ((1,), (1.0,)), "": ((), ())}
NEIGHBOURS: list[Slots] = [((1, 2), (0.75, -2.0)), ((0,), (65504.0,)), ((), ())]
IDS = ["A-1", "B/2", "ü 3"]
COLUMNS: Mapping[str, tuple[ColumnType, Sequence[object]]] = {
    "BRAND": ("category", ["Acme", None, "Acme"]),
    "PRICE": ("number", [9.5, None, 0.0]),
    "TITLE": ("text", ["A teapot", "", "Käse|Brot"]),
}
REQUESTS = [b'{"user": "anna"}', b"\x89PNG"]
ANSWERS = ['["B/2"]', "[]"]
PROBABILITIES = np.array([[0.25, 0.75], [1.0, 0.0]], np.float32)
WIDTH = 2


def slots(rows: Iterable[Slots]) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
    """Rows of any length as the two rectangular arrays that the writers take."""
    rows = list(rows)
    items = [(*row[0], *[EMPTY] * (WIDTH - len(row[0]))) for row in rows]
    scores = [(*row[1], *[0.0] * (WIDTH - len(row[1]))) for row in rows]
    return np.array(items, np.uint32), np.array(scores, np.float64)


def write(folder: Path) -> dict[str, TableSpec]:
    """Writes all files; returns the specification of each table."""
    write_vocabulary(folder / "items.safetensors", IDS, COLUMNS)
    write_probes(folder / "probes.safetensors", REQUESTS, answer=ANSWERS, probabilities=PROBABILITIES)
    return {
        "users": write_keyed(folder / "users.safetensors", list(USERS), *slots(USERS.values())),
        "neighbours": write_dense(folder / "neighbours.safetensors", *slots(NEIGHBOURS)),
    }


if __name__ == "__main__":
    write(Path(sys.argv[1]))

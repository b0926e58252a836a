"""Files in LightGCN's format, one line per user, ``user item item ...``, and their conversion to interactions."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

_COMMON: Final = 5  # least number of pairs of an item that counts in ``dispersion``

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


def read(path: Path) -> Pairs:
    """Users and items of all pairs, in the order of the file."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        rows = [np.array(line.split(), np.int64) for line in lines]
    users = np.concatenate([np.repeat(row[:1], len(row) - 1) for row in rows])
    return users, np.concatenate([row[1:] for row in rows])


def write_interactions(path: Path, pairs: Pairs) -> None:
    """Writes a CSV file with the columns USER_ID and ITEM_ID."""

    def lines() -> Iterator[str]:
        yield "USER_ID,ITEM_ID\n"
        for user, item in zip(*(column.tolist() for column in pairs), strict=True):
            yield f"{user},{item}\n"

    with path.open("w") as file:
        file.writelines(lines())


def dispersion(train: Pairs, test: Pairs) -> float:
    """Variance of items' shares in the test, divided by that of a random split (Pearson's chi-squared per item)."""
    items = int(max(pairs[1].max() for pairs in (train, test))) + 1
    trained, tested = (np.bincount(pairs[1], minlength=items) for pairs in (train, test))
    both = trained + tested
    share = tested.sum() / both.sum()
    common = both >= _COMMON
    deviation = (tested - both * share)[common] ** 2 / (both * share * (1 - share))[common]
    return float(deviation.mean())

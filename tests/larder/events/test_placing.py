"""New items are placed among those of a release as the training places items without events."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from larder.events.placing import NEIGHBOURS, ContentIndex
from larder.release.serving import DEFAULT_CONTENT, ColumnType, ContentSpec
from larder.tables import MappedFile
from larder.tables.vocabulary import Vocabulary
from larder_training.recommender.models.content_knn import combine, content_blocks
from larder_training.release.tables import write_vocabulary

ITEMS = 400
WEIGHTS = {"COLOUR": {"values": 0.5, "words": 0.1}, "TITLE": {"words": 0.3}, "PRICE": {"bins": 0.2}}
Columns = dict[str, tuple[ColumnType, Sequence[object]]]


def shop() -> Columns:
    """Items with colours, titles and prices; some values are missing."""
    draw = random.Random(0)
    colours = [draw.choice(["red", "green", "blue", "red|blue", "dark green", None]) for _ in range(ITEMS)]
    titles = [" ".join(draw.choices([f"word{k}" for k in range(60)], k=4)) for _ in range(ITEMS)]
    prices = [draw.choice([None, round(draw.lognormvariate(3, 1), 2)]) for _ in range(ITEMS)]
    return {"COLOUR": ("category", colours), "TITLE": ("text", titles), "PRICE": ("number", prices)}


def vocabulary(folder: Path, columns: Columns) -> Vocabulary:
    """The items 0, 1, ... with these columns, as a release has them."""
    path = folder / "items.safetensors"
    count = len(next(iter(columns.values()))[1])
    write_vocabulary(path, [f"item-{number}" for number in range(count)], columns)
    return Vocabulary.open(MappedFile(path))


def columns_of(columns: Columns, number: int) -> dict[str, str | float]:
    """What PutItems sends of an item."""
    found: Mapping[str, object] = {name: values[number] for name, (_, values) in columns.items()}
    return {name: value for name, value in found.items() if isinstance(value, str | float)}


def test_neighbours_and_similarities_are_those_of_the_training(tmp_path: Path) -> None:
    # GIVEN a release, and the similarities that the training computes with the same weights of the blocks
    columns = shop()
    kinds = {"COLOUR": "categories", "TITLE": "text", "PRICE": "number"}
    blocks = content_blocks({name: (kinds[name], values) for name, (_, values) in columns.items()})  # type: ignore[misc]  # texts are kinds
    chosen = {f"{name} {kind}": weight for name, by_kind in WEIGHTS.items() for kind, weight in by_kind.items()}
    vectors = combine([blocks[name] for name in chosen], np.array(list(chosen.values())))
    cosines = np.asarray((vectors @ vectors.T).todense())
    index = ContentIndex(vocabulary(tmp_path, columns), ContentSpec(0.5, 0.5, WEIGHTS))
    # WHEN items are placed that have the columns of known ones
    for number in range(0, ITEMS, 20):
        placed = dict(index.neighbours(columns_of(columns, number)))
        # THEN the neighbours are the nearest items, with the cosines
        expected = np.sort(cosines[number])[::-1][:NEIGHBOURS]
        found = np.array([cosines[number, int(item.removeprefix("item-"))] for item in placed])
        np.testing.assert_allclose(found, expected, atol=1e-4)
        np.testing.assert_allclose(list(placed.values()), expected, atol=1e-4)
        assert max(placed.values()) <= 1


def test_without_stated_weights_all_columns_count(tmp_path: Path) -> None:
    columns: Columns = {
        "KIND": ("category", ["mug", "mug", "lamp", "lamp", "lamp"]),
        "CREATION_TIMESTAMP": ("number", [1.0, 2.0, 3.0, 4.0, 5.0]),
    }
    index = ContentIndex(vocabulary(tmp_path, columns), DEFAULT_CONTENT)

    assert index.neighbours({"KIND": "mug", "CREATION_TIMESTAMP": 5.0}) == (("item-0", 1.0), ("item-1", 1.0))


@pytest.mark.parametrize("sent", [{}, {"KIND": "vase"}, {"OTHER": "mug"}, {"KIND": 3.0}])
def test_an_item_like_no_other_has_no_neighbours(tmp_path: Path, sent: dict[str, str | float]) -> None:
    index = ContentIndex(vocabulary(tmp_path, {"KIND": ("category", ["mug", "mug", "lamp", "lamp"])}), DEFAULT_CONTENT)

    assert index.neighbours(sent) == ()


def test_numbers_alone_place_an_item(tmp_path: Path) -> None:
    prices = [float(price) for price in range(1, 101)]
    index = ContentIndex(vocabulary(tmp_path, {"PRICE": ("number", prices)}), DEFAULT_CONTENT)

    neighbours = index.neighbours({"PRICE": 40.0})

    assert neighbours[0] == ("item-39", 1.0)
    assert {int(item.removeprefix("item-")) for item, _ in neighbours} <= set(range(28, 51))


@pytest.mark.parametrize("columns", [{}, {"KIND": ("category", [None, None])}, {"PRICE": ("number", [None, 2.0])}])
def test_a_release_without_values_places_nothing(tmp_path: Path, columns: Columns) -> None:
    items = vocabulary(tmp_path, columns or {"TITLE": ("text", ["", ""])})

    assert ContentIndex(items, DEFAULT_CONTENT).neighbours({"KIND": "mug", "PRICE": 2.0, "TITLE": "mug"}) == ()


def test_of_a_large_release_every_kth_item_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("larder.events.placing.MAX_COMPARED", 50)
    items = vocabulary(tmp_path, {"KIND": ("category", [f"kind-{number % 10}" for number in range(195)])})

    neighbours = ContentIndex(items, DEFAULT_CONTENT).neighbours({"KIND": "kind-4"})

    numbers = {int(item.removeprefix("item-")) for item, _ in neighbours}
    assert numbers
    assert all(number % 10 == 4 and number % 4 == 0 for number in numbers)

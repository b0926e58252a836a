"""Six items with a column of each type; some values are missing and some are several."""

from pathlib import Path

import pytest

from larder.tables import MappedFile
from larder.tables.vocabulary import Vocabulary
from larder_training.release.tables import write_vocabulary

COLORS = ["red", "red|blue", None, "Blue", "green|red|", "schwarz-weiß"]
SIZES = ["S", "M", "S|M", None, "L", "M"]
PRICES = [5.0, 12.5, None, 0.0, -3.0, 1e6]


@pytest.fixture(scope="session")
def items(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    path: Path = tmp_path_factory.mktemp("rules") / "items.safetensors"
    write_vocabulary(
        path,
        [f"i{number}" for number in range(6)],
        {
            "COLOR": ("category", COLORS),
            "SIZE": ("category", SIZES),
            "PRICE": ("number", PRICES),
            "TITLE": ("text", ["a", "b", "c", "d", "e", None]),
        },
    )
    return Vocabulary.open(MappedFile(path))

"""The models function, with a live recommender."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.toys.live_store import open_served, publish
from tests.toys.shop import write_shop

from larder.store import Store
from models import app

__all__ = ["write_shop"]  # a fixture


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_shop: Callable[..., Path]) -> Iterator[Store]:
    """The store of the function, with the live recommender ``shop``."""
    store = open_served(tmp_path, monkeypatch)
    publish(store, "shop", write_shop())
    app.service.reset()
    yield store
    app.service.reset()

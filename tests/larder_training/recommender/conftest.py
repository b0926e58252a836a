from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from larder_training.datasets.synthetic_shop import ShopFiles, generate
from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.train import train
from larder_training.reporting.progress import Progress

CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> ShopFiles:
    return generate(tmp_path_factory.mktemp("shop"), users=400, items=120, days=60, seed=3)


@pytest.fixture(scope="session")
def options(shop: ShopFiles, tmp_path_factory: pytest.TempPathFactory) -> RecommenderOptions:
    return RecommenderOptions(
        shop.interactions,
        "shop",
        items=shop.items,
        users=shop.users,
        out=tmp_path_factory.mktemp("releases"),
        created=CREATED,
        minutes=None,
        without=("pure_svd", "als", "bpr", "user_ease"),  # their own tests are elsewhere
    )


@pytest.fixture(scope="session")
def release(options: RecommenderOptions) -> Path:
    return train(options, Progress(quiet=True))


def _log(rows: list[tuple[str, str, int, str]], more_items: tuple[str, ...] = ()) -> EventLog:
    """A log of (user, item, time, event) rows, in the order of time."""
    rows = sorted(rows, key=lambda row: (row[2], row[0], row[1], row[3]))
    users, events = sorted({row[0] for row in rows}), sorted({row[3] for row in rows})
    items = sorted({*(row[1] for row in rows), *more_items})
    return EventLog(
        users,
        items,
        events,
        np.array([users.index(row[0]) for row in rows], np.int32),
        np.array([items.index(row[1]) for row in rows], np.int32),
        np.array([events.index(row[3]) for row in rows], np.int16),
        np.array([row[2] for row in rows], np.int64),
        np.full(len(rows), np.nan, np.float32),
    )


@pytest.fixture
def make_log() -> Callable[..., EventLog]:
    return _log


@pytest.fixture
def small_log() -> EventLog:
    """Three users, five items (one without an event), two types of event, over ten days."""
    day = 86_400
    rows = [
        ("ann", "a", 0, "view"),
        ("ann", "a", 2 * day, "pay"),
        ("ann", "b", 4 * day, "view"),
        ("bob", "b", 5 * day, "view"),
        ("bob", "c", 6 * day, "view"),
        ("cid", "d", 8 * day, "pay"),
        ("ann", "c", 10 * day, "view"),
    ]
    return _log(rows, more_items=("e",))

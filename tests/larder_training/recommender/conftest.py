from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.toys.event_log import event_log

from larder_training.datasets.synthetic_shop import ShopFiles
from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.train import train
from larder_training.reporting.progress import Progress

CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


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


@pytest.fixture
def make_log() -> Callable[..., EventLog]:
    return event_log


@pytest.fixture
def small_log() -> EventLog:
    """Three users, five items (one without an event) and two event types over ten days."""
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
    return event_log(rows, more_items=("e",))

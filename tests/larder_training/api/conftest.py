"""Images of three classes in memory, a small shop's files, and a release that the API trained from each."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.toys.images import CLASSES, draw_image

from larder_training import Release, train_classifier, train_recommender
from larder_training.datasets.synthetic_shop import ShopFiles, generate

SMALL_SHOP = {"trials": 2, "reranker": "never", "without": ["pure_svd", "als", "bpr", "user_ease"], "quiet": True}


@pytest.fixture(scope="session")
def labels() -> list[str]:
    return [label for label in CLASSES for _ in range(20)]


@pytest.fixture(scope="session")
def images() -> list[NDArray[np.uint8]]:
    return [draw_image(label, number) for label in CLASSES for number in range(20)]


@pytest.fixture(scope="session")
def image_options(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, object]:
    """Options of a quick training."""
    out = tmp_path_factory.mktemp("classifiers")
    return {"out": out, "backbone": "none", "trials": 2, "augment": "none", "flip": "no", "cache": None, "quiet": True}


@pytest.fixture(scope="session")
def classifier(images: list[NDArray[np.uint8]], labels: list[str], image_options: Mapping[str, object]) -> Release:
    return train_classifier(images, labels, **image_options)  # type: ignore[arg-type]  # one mapping for all options


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> ShopFiles:
    return generate(tmp_path_factory.mktemp("shop"), users=200, items=80, days=40, seed=3)


@pytest.fixture(scope="session")
def shop_options(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, object]:
    """Options of a quick training."""
    return {**SMALL_SHOP, "out": tmp_path_factory.mktemp("recommenders")}


@pytest.fixture(scope="session")
def recommender(shop: ShopFiles, shop_options: Mapping[str, object]) -> Release:
    return train_recommender(shop.interactions, items=shop.items, users=shop.users, **shop_options)  # type: ignore[arg-type]  # one mapping for all options


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"

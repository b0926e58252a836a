"""Fixtures that the tests of several packages of training use."""

import pytest

from larder_training.datasets.synthetic_shop import ShopFiles, generate


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> ShopFiles:
    return generate(tmp_path_factory.mktemp("shop"), users=400, items=120, days=60, seed=3)

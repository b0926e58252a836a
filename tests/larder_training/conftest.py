"""Fixtures that the tests of several packages of training use."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from tests.toys.images import draw_image, fill_classes, save_image, small_backbone

from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.train import train
from larder_training.datasets.synthetic_shop import ShopFiles, generate

Draw = Callable[..., NDArray[np.uint8]]
Save = Callable[..., Path]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> ShopFiles:
    return generate(tmp_path_factory.mktemp("shop"), users=400, items=120, days=60, seed=3)


@pytest.fixture(scope="session")
def draw() -> Draw:
    """``draw(label, number, size=40)``: the pixels of an image, uint8 [size, size, 3]."""
    return draw_image


@pytest.fixture(scope="session")
def save() -> Save:
    """``save(path, pixels, quality=90)``: saves an image and returns its path; quality applies to JPEG only."""
    return save_image


@pytest.fixture
def own_images(tmp_path: Path) -> Path:
    """12 images of each class, which the test may change."""
    return fill_classes(tmp_path / "images", 12)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 images of each class in class folders, which tests must not change."""
    return fill_classes(tmp_path_factory.mktemp("images"), 30)


@pytest.fixture(scope="session")
def new_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 images of each class that are in no training."""
    return fill_classes(tmp_path_factory.mktemp("new_images"), 12, start=1000)


@pytest.fixture(scope="session")
def make_backbone() -> Callable[..., onnx.ModelProto]:
    return small_backbone


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backbone") / "small.onnx"
    onnx.save(small_backbone(), path)
    return path


@pytest.fixture(scope="session")
def options(images: Path, tmp_path_factory: pytest.TempPathFactory) -> ClassifierOptions:
    out = tmp_path_factory.mktemp("releases")
    created = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return ClassifierOptions(
        images, "patterns", out=out, backbone="none", augment="medium", copies=1, flip="no", cache=None, created=created
    )


@pytest.fixture(scope="session")
def builtin_release(options: ClassifierOptions) -> Path:
    return train(options)


@pytest.fixture(scope="session")
def int8_release(options: ClassifierOptions, backbone: Path) -> Path:
    return train(replace(options, model="small", backbone=str(backbone), max_loss=0.1))

"""A generated image without any symmetry, and its encodings."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Encode = Callable[..., bytes]


@pytest.fixture
def image() -> Image.Image:
    """96 x 64, RGB: smooth, with a different colour in each corner, so that every flip or swap of channels shows."""
    y, x = np.mgrid[0:64, 0:96]
    pixels: NDArray[Any] = np.stack([x * 2.6, y * 3.9, 255 - x - y], axis=2)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8), "RGB")


@pytest.fixture
def encode() -> Encode:
    def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
        file = BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    return encoded

import threading
from collections.abc import Callable, Iterator
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from larder.serving import ImageSpec
from larder_training.classifier.augment import augment, with_margin
from larder_training.classifier.streaming import in_order

Draw = Callable[..., NDArray[np.uint8]]
DIGEST = "0123456789abcdef" * 4


def png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def changed(data: bytes, spec: ImageSpec, *, copies: int = 3, flip: bool = False, seed: int = 0) -> NDArray[np.uint8]:
    return augment(data, spec, copies=copies, flip=flip, seed=seed, digest=DIGEST)


def test_copies_differ_from_each_other_and_come_again_with_their_seed(draw: Draw) -> None:
    data, spec = png(draw("rings", 1)), ImageSpec(24, 16, crop=0.8)
    copies = changed(data, spec)
    assert copies.shape == (3, 16, 24, 3)
    assert len({copy.tobytes() for copy in copies}) == 3
    np.testing.assert_array_equal(copies, changed(data, spec))
    np.testing.assert_array_equal(copies[:2], changed(data, spec, copies=2))
    assert (copies != changed(data, spec, seed=1)).any()


def test_a_margin_has_the_scale_of_the_crop() -> None:
    spec = with_margin(ImageSpec(224, 112, crop=0.875))
    assert (spec.width, spec.height, spec.crop) == (256, 128, 1.0)


def test_a_copy_shows_the_same_place_in_other_light() -> None:
    """A white spot in the middle stays near the middle, whatever the crop and the turn; the black around stays dark."""
    pixels = np.zeros((80, 80, 3), np.uint8)
    pixels[36:44, 36:44] = 200
    for copy in changed(png(pixels), ImageSpec(64, 64), copies=20).astype(float).mean(axis=3):
        weight = np.maximum(copy - 40, 0)
        row, column = (np.average(np.arange(64), weights=weight.sum(axis=axis)) for axis in (1, 0))
        assert 20 < row < 44
        assert 20 < column < 44
        assert np.median(copy) < 40


def test_what_a_turned_crop_finds_beyond_the_edge_is_the_edge() -> None:
    pixels = np.full((40, 40, 3), 180, np.uint8)
    for copy in changed(png(pixels), ImageSpec(40, 40), copies=10):
        assert copy.min() == copy.max()


def test_mirrored_copies_come_only_when_asked_for() -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:, 30:] = 255  # bright on the right
    sides = {
        flip: [
            copy[:, 30:].mean() > copy[:, :10].mean()
            for copy in changed(png(pixels), ImageSpec(40, 40), copies=20, flip=flip)
        ]
        for flip in (False, True)
    }
    assert all(sides[False])
    assert {True, False} == set(sides[True])


def test_results_come_in_order_and_few_wait() -> None:
    begun: list[int] = []
    lock = threading.Lock()

    def work(number: int) -> int:
        with lock:
            begun.append(number)
        return number * number

    results = in_order(work, range(1000))
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    assert len(begun) < 500
    assert list(results) == [n * n for n in range(5, 1000)]


def test_an_error_ends_the_loop_and_the_threads() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    def endless() -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1

    with pytest.raises(ValueError, match="three"):
        list(in_order(work, endless()))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("larder")]

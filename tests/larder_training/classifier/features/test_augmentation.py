import threading
from collections.abc import Callable, Iterator
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from larder.classifier.image_decoding import decode
from larder.release.serving import ImageSpec
from larder_training.classifier.config.options import AUGMENTATION_NAMES, AugmentationName
from larder_training.classifier.features.augmentation import STRENGTHS, augment, describe, with_margin
from larder_training.numerics.parallel import map_in_order

Draw = Callable[..., NDArray[np.uint8]]
DIGEST = "0123456789abcdef" * 4


def png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def changed(
    data: bytes, spec: ImageSpec, *, copies: int = 3, seed: int = 0, strength: AugmentationName = "medium"
) -> NDArray[np.uint8]:
    whole = decode(data, with_margin(spec))
    return np.stack([augment(whole, spec, strength, copy=copy, seed=seed, digest=DIGEST) for copy in range(copies)])


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


@pytest.mark.parametrize("strength", ["weak", "medium"])
def test_a_copy_shows_the_same_place_in_other_light(strength: AugmentationName) -> None:
    """A white spot in the middle stays near the middle, whatever the crop and the turn; the black around stays dark."""
    pixels = np.zeros((80, 80, 3), np.uint8)
    pixels[36:44, 36:44] = 200
    for copy in changed(png(pixels), ImageSpec(64, 64), copies=20, strength=strength).astype(float).mean(axis=3):
        weight = np.maximum(copy - 40, 0)
        row, column = (np.average(np.arange(64), weights=weight.sum(axis=axis)) for axis in (1, 0))
        assert 16 < row < 48
        assert 16 < column < 48
        assert np.median(copy) < 40


@pytest.mark.parametrize("strength", STRENGTHS)
def test_what_a_turned_crop_finds_beyond_the_edge_is_the_edge(strength: AugmentationName) -> None:
    pixels = np.full((40, 40, 3), 120, np.uint8)
    for copy in changed(png(pixels), ImageSpec(40, 40), copies=10, strength=strength):
        assert (copy == copy[0, 0]).all()


def test_a_stronger_name_changes_more(draw: Draw) -> None:
    data, spec = png(draw("rings", 1)), ImageSpec(32, 32, crop=0.8)
    plain = decode(data, spec).astype(float)
    apart = [np.abs(changed(data, spec, copies=20, strength=name) - plain).mean() for name in AUGMENTATION_NAMES[1:]]
    assert apart == sorted(apart)


def test_five_copies_look_at_the_centre_and_each_corner() -> None:
    """Each pixel holds its position: red grows to the right, green downwards."""
    side = np.arange(0, 250, 2, dtype=np.uint8)
    pixels = np.stack([*np.meshgrid(side, side), np.zeros((125, 125), np.uint8)], axis=2).astype(np.uint8)
    seen = set()
    for copy in changed(png(pixels), ImageSpec(40, 40), copies=5, strength="strong", seed=3):
        share = copy[:, :, :2].reshape(-1, 2).mean(axis=0)
        seen.add(tuple(np.sign(np.round((share - share.mean()) / 8)).astype(int)))
    assert len(seen) >= 2


def test_a_description_tells_what_was_drawn() -> None:
    assert describe("none", 2, flip=True) == {"strength": "none", "copies": 0, "flip": True}
    assert describe("weak", 2, flip=False)["turn"] == STRENGTHS["weak"].turn


def test_results_come_in_order_and_few_wait() -> None:
    begun: list[int] = []
    lock = threading.Lock()

    def work(number: int) -> int:
        with lock:
            begun.append(number)
        return number * number

    results = map_in_order(work, range(1000))
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

    before = set(threading.enumerate())  # another test may have started threads that stay
    with pytest.raises(ValueError, match="three"):
        list(map_in_order(work, endless()))
    assert not set(threading.enumerate()) - before

"""The built-in features against the same arithmetic in numpy, written from the paper."""

import numpy as np
import pytest
from numpy.typing import NDArray

from larder.errors import InvalidRequest
from larder_training.classifier.features import hog
from larder_training.classifier.onnx.graph import optimise, session, to_bytes


def numpy_hog(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Dalal and Triggs for one image [S, S, 3] of 0..1."""
    grey = np.sqrt(pixels @ (0.299, 0.587, 0.114))
    padded = np.pad(grey, 1, mode="edge")
    gx, gy = padded[1:-1, 2:] - padded[1:-1, :-2], padded[2:, 1:-1] - padded[:-2, 1:-1]
    magnitude, angle = np.hypot(gx, gy), np.arctan2(gy, gx) % np.pi
    side = len(grey) // 8
    cells = np.zeros((9, 8, 8))
    for row, column in np.ndindex(grey.shape):
        # Bins are centred at 0, 20 ... 160 degrees; the two nearest share the vote.
        place = angle[row, column] / np.pi * 9
        low = int(np.floor(place))
        for bin_, share in ((low % 9, 1 - (place - low)), ((low + 1) % 9, place - low)):
            cells[bin_, row // side, column // side] += share * magnitude[row, column] / side**2
    cells = np.roll(cells, 4, axis=0)  # the graph counts from -80 degrees, which is 100 here
    blocks = np.stack([cells[:, i : i + 7, j : j + 7] for i in (0, 1) for j in (0, 1)]).reshape(36, 7, 7)
    once = np.minimum(blocks / np.sqrt((blocks**2).sum(0) + 1e-4), 0.2)
    return np.ravel(once / np.sqrt((once**2).sum(0) + 1e-4))


def colours(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Moments of 4 x 4 cells, then the soft histograms of the opponent colours in quarters."""
    size = len(pixels)
    cells = pixels.reshape(4, size // 4, 4, size // 4, 3)
    moments = np.concatenate([cells.mean(axis=(1, 3)), cells.std(axis=(1, 3))], axis=2).transpose(2, 0, 1)
    red, green, blue = np.moveaxis(pixels, 2, 0)
    opponents = [(red - green) / 2 + 0.5, (red + green - 2 * blue) / 4 + 0.5, (red + green + blue) / 3]
    histograms = []
    for opponent in opponents:
        for bin_ in range(8):
            votes = np.maximum(0, 1 - np.abs(opponent - (bin_ + 0.5) / 8) * 8)
            histograms.append(votes.reshape(2, size // 2, 2, size // 2).mean(axis=(1, 3)))
    return np.concatenate([moments.ravel(), np.ravel(histograms)])


@pytest.mark.parametrize("size", [16, 48])
def test_the_graph_equals_the_paper(size: int) -> None:
    random = np.random.default_rng(size)
    smooth = random.uniform(0, 255, (3, size, size, 3))
    smooth = np.stack([smooth[0], np.cumsum(smooth[1], axis=0) / size, np.broadcast_to(smooth[2, :1], (size, size, 3))])
    images = smooth.astype(np.uint8)
    (found,) = session(to_bytes(optimise(hog.feature_graph(size), "extended"))).run(None, {"image": images})
    expected = np.stack([np.concatenate([numpy_hog(image / 255), colours(image / 255)]) for image in images])
    assert found.shape == (3, hog.width())
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_a_plain_grey_image_has_no_gradients_and_finite_features() -> None:
    running = session(to_bytes(hog.feature_graph(32)))
    for level in (0, 128, 255):
        (found,) = running.run(None, {"image": np.full((1, 32, 32, 3), level, np.uint8)})
        assert np.isfinite(found).all()
        assert np.abs(found[0, : 49 * 36]).max() == 0


def test_an_edge_votes_for_its_orientation_alone() -> None:
    image = np.zeros((2, 32, 32, 3), np.uint8)
    image[0, :, 16:] = 255  # an upright edge: the gradient points along x, angle 0, the middle of bin 4
    image[1, 16:] = 255  # a level edge: along y, plus and minus 90 degrees, between the last and the first bin
    (found,) = session(to_bytes(hog.feature_graph(32))).run(None, {"image": image})
    totals = found[:, : 49 * 36].reshape(2, 4, 9, 49).sum(axis=(1, 3))
    assert totals[0].argmax() == 4
    assert np.count_nonzero(totals[0] > 1e-6) == 1
    assert totals[1, 0] == pytest.approx(totals[1, 8], rel=1e-5)
    assert totals[1, 1:8].max() < 1e-6


@pytest.mark.parametrize("size", [8, 20, 65])
def test_a_size_that_cells_do_not_divide_is_refused(size: int) -> None:
    with pytest.raises(InvalidRequest, match="multiple of 8"):
        hog.image_spec(size, None)

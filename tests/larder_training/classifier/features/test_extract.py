from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

from larder.errors import InvalidRequest
from larder.release.serving import ImageSpec
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.classifier.data.manifests import LabelledImage
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.features.backbone import load_backbone
from larder_training.classifier.features.cache import FeatureCache
from larder_training.classifier.features.extract import FeatureExtractor
from larder_training.classifier.features.views import View, Views, plain_views
from larder_training.classifier.onnx.graph import session, to_bytes
from larder_training.classifier.selection.augmentation_search import AugmentationChoice
from larder_training.numerics import memmap as rows_module
from larder_training.numerics.arrays import Floats
from larder_training.numerics.memmap import allocate, chunks, release_pages
from larder_training.reporting.progress import Progress

IMAGE = ImageSpec(32, 32, crop=0.9)
QUIET = Progress(quiet=True)


@pytest.fixture
def checked(images: Path) -> list[Sample]:
    return [
        Sample(LabelledImage(path, path.name, path.parent.name), sha256(path.read_bytes()).hexdigest(), number)
        for number, path in enumerate(sorted(images.rglob("*.png"))[:20])
    ]


@pytest.fixture(scope="session")
def graph(backbone: Path) -> bytes:
    return to_bytes(load_backbone(backbone, Preprocessing(input_size=32), {}).model)


def ran(graph: bytes, views: Views, cache: FeatureCache | None = None) -> Floats:
    return FeatureExtractor(graph, optimise=True, cache=cache)(views, "t")


def test_rows_are_the_graphs_own_for_each_view(graph: bytes, checked: list[Sample]) -> None:
    views = Views(checked, IMAGE, AugmentationChoice("medium", 2, flip=True).views())
    found = ran(graph, views)
    assert found.shape == (80, 24)
    running = session(graph, optimise=True)
    for position in (0, 7, 19):
        expected = running.run(["features"], {"image": views(position)})[0]
        np.testing.assert_allclose(found[position * 4 : position * 4 + 4], expected, rtol=1e-5, atol=1e-6)


def test_an_extraction_that_was_stopped_goes_on(
    graph: bytes, checked: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views, cache = Views(checked, IMAGE, AugmentationChoice("weak", 1, flip=False).views()), FeatureCache(tmp_path)
    loaded: list[int] = []
    load_backbone = Views.load

    def counted(self: Views, position: int, numbers: list[int]) -> NDArray[np.uint8]:
        if len(loaded) == 18 and stopping:
            raise KeyboardInterrupt
        loaded.append(position)
        return load_backbone(self, position, numbers)

    monkeypatch.setattr(Views, "load", counted)
    stopping = True
    with pytest.raises(KeyboardInterrupt):
        ran(graph, views, cache)
    stopping, before = False, len(loaded)
    again = ran(graph, views, cache)
    assert len(loaded) - before <= 2  # what was being computed
    loaded.clear()
    np.testing.assert_array_equal(ran(graph, views, cache), again)
    assert loaded == []
    monkeypatch.undo()
    np.testing.assert_array_equal(ran(graph, views), again)


def test_views_share_the_cache_between_sets_of_them(
    graph: bytes, checked: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = FeatureCache(tmp_path)
    ran(graph, Views(checked, IMAGE, AugmentationChoice("strong", 2, flip=True).views()), cache)
    monkeypatch.setattr(Views, "load", None)  # everything is there already
    ran(graph, plain_views(checked, IMAGE), cache)
    ran(graph, Views(checked, IMAGE, (View("strong", 0), View(mirrored=True))), cache)
    with pytest.raises(TypeError):
        ran(graph, Views(checked, IMAGE, (View("strong", 0),), seed=1), cache)


def test_a_large_result_lies_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "MAX_IN_MEMORY", 1000)
    small, large = allocate(5, 5), allocate(50, 50)
    assert rows_module._mapping(small) is None
    assert rows_module._mapping(large[3:]) is not None
    large[:] = 3
    release_pages(large)
    assert large.sum() == 7500


def test_a_disk_without_room_is_told_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "MAX_IN_MEMORY", 1000)
    with pytest.raises(InvalidRequest, match=r"has no space for \d+ MiB of features .* TMPDIR to a folder"):
        allocate(2**40, 2**18)


def test_pieces_are_all_rows_once() -> None:
    for count in (0, 1, 4096, 10_000):
        assert [row for piece in chunks(count) for row in range(count)[piece]] == list(range(count))


def test_grey_images_have_the_same_features_as_rgb(graph: bytes, tmp_path: Path) -> None:
    """8-bit grey, palette, 16-bit grey and black-and-white files go the same way as colour."""
    grey = (np.add.outer(np.arange(64), np.arange(64)) * 2).astype(np.uint8)
    modes = {
        "grey.png": Image.fromarray(grey),
        "rgb.png": Image.fromarray(np.repeat(grey[..., None], 3, axis=2)),
        "sixteen.png": Image.fromarray(grey.astype(np.uint16) * 257),
    }
    for name, image in modes.items():
        image.save(tmp_path / name)
    checked = [
        Sample(LabelledImage(tmp_path / name, name, "a"), sha256((tmp_path / name).read_bytes()).hexdigest(), number)
        for number, name in enumerate(modes)
    ]
    found = ran(graph, Views(checked, IMAGE, AugmentationChoice("strong", 2, flip=True).views())).reshape(3, 4, -1)
    np.testing.assert_array_equal(found[0, :2], found[1, :2])
    np.testing.assert_allclose(found[0, :2], found[2, :2], atol=0.05)


def test_a_layer_in_the_middle_is_pooled(
    make_backbone: Callable[..., onnx.ModelProto], checked: list[Sample], tmp_path: Path
) -> None:
    """Any tensor can be named, not the graph's outputs alone; maps are averaged."""
    path = tmp_path / "middle.onnx"
    onnx.save(make_backbone(), path)
    middle = load_backbone(path, Preprocessing(input_size=32, output="r2"), {})
    found = ran(to_bytes(middle.model), plain_views(checked[:2], IMAGE))
    assert found.shape == (2, 16)
    last = load_backbone(path, Preprocessing(input_size=32, output="r3"), {})
    pooled = load_backbone(path, Preprocessing(input_size=32, output="features"), {})
    np.testing.assert_array_equal(
        ran(to_bytes(last.model), plain_views(checked[:2], IMAGE)),
        ran(to_bytes(pooled.model), plain_views(checked[:2], IMAGE)),
    )


def test_tokens_are_averaged(
    make_backbone: Callable[..., onnx.ModelProto], checked: list[Sample], tmp_path: Path
) -> None:
    """A transformer's tokens [N, T, D]: here those of a map, so that its own average is what must come out."""
    model = make_backbone()
    shape = onnx.numpy_helper.from_array(np.array([0, 24, 256], np.int64), "tokens.shape")
    model.graph.initializer.append(shape)
    model.graph.node.append(onnx.helper.make_node("Reshape", ["r3", "tokens.shape"], ["tokens.flat"]))
    model.graph.node.append(onnx.helper.make_node("Transpose", ["tokens.flat"], ["tokens"], perm=[0, 2, 1]))
    path = tmp_path / "tokens.onnx"
    onnx.save(model, path)
    tokens = load_backbone(path, Preprocessing(input_size=32, output="tokens"), {})
    pooled = load_backbone(path, Preprocessing(input_size=32, output="features"), {})
    shown = plain_views(checked[:2], IMAGE)
    found, expected = (ran(to_bytes(one.model), shown) for one in (tokens, pooled))
    np.testing.assert_allclose(found, expected, rtol=1e-5)

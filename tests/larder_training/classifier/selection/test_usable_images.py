"""Images that a backbone makes NaN of are bad files; with too many of them, the backbone is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.toys.images import draw_image, save_image

from larder.release.serving import ImageSpec
from larder_training.classifier.data.manifests import read_dataset
from larder_training.classifier.data.scan import DatasetScan, scan_images
from larder_training.classifier.features.extract import FeatureExtractor, NotFinite
from larder_training.classifier.features.views import plain_views
from larder_training.classifier.selection.usable_images import REASON, with_usable_images
from larder_training.reporting.progress import Progress


@pytest.fixture
def scan(tmp_path: Path) -> DatasetScan:
    for number in range(8):
        label = "rings" if number < 6 else "checks"
        save_image(tmp_path / "images" / label / f"{number}.png", draw_image(label, number))
    return scan_images(read_dataset(tmp_path / "images"), Progress(quiet=True))


def failing(names: set[str], steps: list[int]) -> Callable[[DatasetScan], DatasetScan]:
    def step(scan: DatasetScan) -> DatasetScan:
        steps.append(len(scan.samples))
        found = [sample for sample in scan.samples if sample.image.name in names]
        if found:
            raise NotFinite(found[:1], len(scan.samples))
        return scan

    return step


def test_they_are_left_out_one_after_the_other(scan: DatasetScan) -> None:
    steps: list[int] = []
    usable = with_usable_images(scan, failing({"rings/3.png", "rings/5.png"}, steps))
    assert steps == [8, 7, 6]
    assert [(image.name, reason) for image, reason in usable.bad] == [("rings/3.png", REASON), ("rings/5.png", REASON)]
    assert len(usable.samples) == 6


def test_more_than_a_quarter_is_the_backbones_fault(scan: DatasetScan) -> None:
    names = {f"rings/{number}.png" for number in range(3)}
    with pytest.raises(NotFinite, match=r"backbone makes NaN or infinity of 1 of 6 images, such as rings/2\.png"):
        with_usable_images(scan, failing(names, []))


def test_extraction_names_each_image(scan: DatasetScan) -> None:
    spec = ImageSpec(8, 8)
    first = plain_views(scan.samples, spec)(2)[0, 0, 0, 0]  # the images whose first pixel has this red make NaN
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"]),
        helper.make_node("Gather", ["flat", "zero"], ["red"], axis=1),
        helper.make_node("Sub", ["red", "value"], ["away"]),
        helper.make_node("Div", ["away", "away"], ["features"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([0], np.int64), "zero"),
        numpy_helper.from_array(np.array(first, np.float32), "value"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 8, 3])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 1])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(NotFinite) as caught:
        FeatureExtractor(model.SerializeToString())(plain_views(scan.samples, spec), "t")
    assert scan.samples[2] in caught.value.samples
    assert len(caught.value.samples) < 8

"""Images in each form that the API takes reach the reader of manifests with their pixels, labels and names."""

from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from larder.errors import InvalidRequest, UnsupportedMedia
from larder_training.api.images import Images, as_source, encoded, named
from larder_training.classifier.data.manifests import LabelledImage, read_dataset

LABELS = ["a", "b", "a"]
PIXELS = [np.full((6, 4, 3), shade, np.uint8) for shade in (10, 20, 30)]


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    for path, pixels in zip(paths, PIXELS, strict=True):
        Image.fromarray(pixels).save(path)
    return paths


def read(images: Any, labels: Iterable[object] | None = None) -> list[tuple[str, int]]:  # noqa: ANN401  any form
    """Each image's label and shade, in the reader's order."""
    with as_source(images, labels) as source:
        return [(entry.label, shade(entry)) for entry in read_dataset(source)]


def shade(entry: LabelledImage) -> int:
    with Image.open(entry.path) as image:
        return int(np.asarray(image)[0, 0, 0])


EXPECTED = [("a", 10), ("b", 20), ("a", 30)]


@pytest.mark.parametrize(
    "form",
    [
        lambda paths: paths,
        lambda paths: [str(path) for path in paths],
        lambda paths: [path.read_bytes() for path in paths],
        lambda _: PIXELS,
        lambda _: np.stack(PIXELS),
        lambda _: [Image.fromarray(pixels) for pixels in PIXELS],
        lambda _: (pixels for pixels in PIXELS),
    ],
    ids=["paths", "texts", "bytes", "arrays", "one array", "Pillow images", "iterator"],
)
def test_a_list_of_images_is_read_in_its_order(form: Callable[[list[Path]], Any], paths: list[Path]) -> None:
    assert read(form(paths), LABELS) == EXPECTED


@pytest.mark.parametrize("labels", [np.array(LABELS), pd.Series(LABELS), pl.Series(LABELS), pa.chunked_array([LABELS])])
def test_labels_may_be_a_series_of_any_library(labels: Iterable[object]) -> None:
    assert read(PIXELS, labels) == EXPECTED


def test_labels_may_be_numbers() -> None:
    assert read(PIXELS, np.array([7, 8, 7])) == [("7", 10), ("8", 20), ("7", 30)]


@pytest.mark.parametrize(
    "library",
    [pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.table],
    ids=["pandas", "polars", "polars-lazy", "pyarrow"],
)
def test_a_data_frame_is_a_manifest(library: Callable[[dict[str, list[object]]], Images], paths: list[Path]) -> None:
    # GIVEN paths, labels, parts and side information as columns
    columns: dict[str, list[object]] = {
        "path": [str(path) for path in paths],
        "label": list(LABELS),
        "split": ["train", "test", None],
        "price": [1.5, None, 3.0],
    }
    # WHEN
    with as_source(library(columns), None) as source:
        entries = read_dataset(source)
    # THEN a missing cell is left out
    assert [entry.part for entry in entries] == ["train", "test", None]
    assert [dict(entry.side) for entry in entries] == [{"price": "1.5"}, {}, {"price": "3.0"}]


def test_relative_paths_start_at_the_working_directory(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(paths[0].parent.parent)
    relative = [str(path.relative_to(paths[0].parent.parent)) for path in paths]
    with as_source(relative, LABELS) as source:
        entries = read_dataset(source)
        assert [entry.name for entry in entries] == relative  # as messages and reports show it
        assert [shade(entry) for entry in entries] == [10, 20, 30]


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    with as_source(tmp_path, None) as source:
        assert source == tmp_path


def test_an_array_is_encoded_without_loss() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    with Image.open(BytesIO(encoded(pixels))) as image:
        assert (np.asarray(image) == pixels).all()


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (PIXELS, None, "the images have no labels: give labels="),
        (PIXELS, ["a"], "there are 3 images and 1 labels"),
        (PIXELS, ["a", None, "b"], r"label 1 \(counted from 0\) is None"),
        (PIXELS, pd.Series(["a", pd.NA, "b"]), r"label 1 \(counted from 0\) is (<NA>|None|nan)"),
        (PIXELS, [1.0, float("nan"), 2.0], r"label 1 \(counted from 0\) is nan"),
        ([PIXELS[0], PIXELS[1] / 255], ["a", "b"], r"image 1 .*: an image is an array of float64 \[6, 4, 3\]: give"),
        ([PIXELS[0], None], ["a", "b"], "image 1 .*: an image is of type NoneType: give a path, bytes, a Pillow image"),
        (3, ["a"], "the images are of type int: give a folder, a manifest, a data frame"),
        (pl.DataFrame({"file": ["x"]}), None, "the columns file, and none is known as label: name them"),
        (pl.DataFrame({"path": ["x", None], "label": ["a", "b"]}), None, r"row 1 .*: path is None\. Fill it in"),
        (pd.DataFrame({"path": ["x", "y"], "label": ["a", np.nan]}), None, r"row 1 .*: label is None\. Fill it in"),
        (pl.DataFrame({"path": ["x"], "label": ["a"]}), ["a"], "the data frame has labels in its column 'label'"),
        ("images", ["a"], "a folder or manifest has labels of its own"),
    ],
)
def test_a_message_names_the_row_the_value_and_the_remedy(
    images: Any,  # noqa: ANN401  some are wrong on purpose
    labels: Iterable[object] | None,
    message: str,
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read(images, labels)


def test_several_images_in_one_array_need_a_list() -> None:
    with pytest.raises(InvalidRequest, match="or a list of these for several images"):
        encoded(np.stack(PIXELS))


def test_a_path_without_a_file_is_an_invalid_request(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"missing\.png' cannot be read \(No such file"):
        encoded(tmp_path / "missing.png")


def test_an_error_about_an_image_of_a_list_keeps_its_class() -> None:
    with pytest.raises(UnsupportedMedia, match=r"image 4 \(counted from 0\): not an image"), named(4):
        raise UnsupportedMedia("not an image")

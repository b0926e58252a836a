"""Lists in which an image has any number of labels, and lists that need --multi-label."""

import json
from pathlib import Path
from typing import Any

import pytest

from larder.errors import InvalidRequest
from larder_training.classifier.data.manifests import ImageDataset, read_dataset

EXPECTED = {"a.jpg": ("cat", "dog"), "b.jpg": ("cat",), "c.jpg": (), "d.jpg": ("bird",)}


def multi_class(name: str, *numbers: int) -> dict[str, object]:
    metadata = {
        "class-map": {"0": "cat", "1": "dog", "2": "bird"},
        "type": "groundtruth/image-classification-multilabel",
    }
    return {"source-ref": name, "kind": list(numbers), "kind-metadata": metadata}


COCO = {
    "images": [{"id": n, "file_name": name, "width": 90, "height": 90} for n, name in enumerate(EXPECTED)],
    "annotations": [
        {"image_id": image, "category_id": category, "bbox": [1, 1, 30, 30]}
        for image, category in ((0, 0), (0, 0), (0, 1), (1, 0), (3, 2))
    ],
    "categories": [{"id": n, "name": name} for n, name in enumerate(("cat", "dog", "bird"))],
}
LISTS = {
    "csv": "path,label\na.jpg,cat|dog\nb.jpg,cat\nc.jpg,\nd.jpg,bird\n",
    "csv rows": "path,label\na.jpg,dog\na.jpg,cat\nb.jpg,cat\nc.jpg,\nd.jpg,bird\nd.jpg,bird\n",
    "json": "\n".join(json.dumps({"path": name, "labels": list(labels)}) for name, labels in EXPECTED.items()),
    "one-hot": "filename,bird,cat,dog\na.jpg,0,1,1\nb.jpg,0,1,0\nc.jpg,0,0,0\nd.jpg,1,0,0\n",
    "ground truth": "\n".join(
        json.dumps(multi_class(name, *numbers))
        for name, numbers in zip(EXPECTED, ((0, 1), (0,), (), (2,)), strict=True)
    ),
    "coco boxes": json.dumps(COCO, indent=1),
    "coco": json.dumps({**COCO, "annotations": [{**row, "bbox": None} for row in COCO["annotations"]]}, indent=1),
}


def read(folder: Path, text: str, **options: Any) -> ImageDataset:  # noqa: ANN401 - of read_dataset
    (folder / "list").write_text(text)
    return read_dataset(folder / "list", **options)


@pytest.mark.parametrize("name", LISTS)
def test_every_format_gives_each_image_its_set_of_labels(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, LISTS[name], multi_label=True)
    assert {image.name: image.labels for image in found.images} == EXPECTED
    assert {image.name: image.label for image in found.images}["a.jpg"] == "cat|dog"
    assert not found.bad


def test_a_stated_separator_divides_a_cell_too(tmp_path: Path) -> None:
    text = "path,label\na.jpg,cat;dog\nb.jpg,cat | bird\n"
    found = read(tmp_path, text, multi_label=True, label_separator=";")
    assert [image.labels for image in found.images] == [("cat", "dog"), ("bird", "cat")]


def test_an_entry_that_says_nothing_about_labels_is_bad(tmp_path: Path) -> None:
    text = LISTS["json"] + '\n{"path": "e.jpg"}\n{"path": "f.jpg", "labels": null}\n'
    found = read(tmp_path, text, multi_label=True)
    assert [image.name for image, _ in found.bad] == ["e.jpg", "f.jpg"]
    short = read(tmp_path, LISTS["csv"] + "e.jpg\n", multi_label=True)
    assert [image.name for image, _ in short.bad] == ["e.jpg"]
    empty = read(tmp_path, LISTS["one-hot"] + "e.jpg,,,\n", multi_label=True)
    assert [image.name for image, _ in empty.bad] == ["e.jpg"]


def test_the_split_of_an_image_with_several_entries_is_the_latest_part(tmp_path: Path) -> None:
    text = "path,label,split\na.jpg,cat,train\na.jpg,dog,test\nb.jpg,cat,train\n"
    found = read(tmp_path, text, multi_label=True)
    assert [(image.labels, image.part) for image in found.images] == [(("cat", "dog"), "test"), (("cat",), "train")]


def test_without_the_option_the_message_names_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"several labels for 1 of 3 images .*train with --multi-label"):
        read(tmp_path, LISTS["csv"])


def test_class_folders_have_one_label_for_each_image(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.jpg").write_bytes(b"")
    with pytest.raises(InvalidRequest, match="classes as folders"):
        read_dataset(tmp_path, multi_label=True)

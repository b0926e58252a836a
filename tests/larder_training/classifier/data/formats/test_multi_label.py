"""Lists in which an image has any number of labels, and lists that need --multi-label."""

import csv
import io
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


def rekognition(name: str, *labels: str) -> dict[str, object]:
    row: dict[str, object] = {"source-ref": name}
    for label in labels:
        metadata = {"class-name": label, "confidence": 1, "human-annotated": "yes"}
        row |= {f"pets_{label}": 1, f"pets_{label}-metadata": metadata | {"type": "groundtruth/image-classification"}}
    return row


def task(name: str, *results: dict[str, object]) -> dict[str, object]:
    return {"data": {"image": f"/data/upload/1/0a1b2c3d-{name}"}, "annotations": [{"result": list(results)}]}


def choices(*labels: str) -> dict[str, object]:
    return {"from_name": "pets", "to_name": "image", "type": "choices", "value": {"choices": list(labels)}}


def rectangle(label: str) -> dict[str, object]:
    value = {"x": 5, "y": 5, "width": 40, "height": 30, "rectanglelabels": [label]}
    return {"from_name": "pets", "to_name": "image", "type": "rectanglelabels", "value": value}


def cvat(element: str) -> str:
    """The images, with ``element`` for each label."""
    images = "".join(
        f'<image id="{n}" name="{name}">{"".join(element.format(label=label) for label in labels)}</image>'
        for n, (name, labels) in enumerate(EXPECTED.items())
    )
    return f'<?xml version="1.0"?>\n<annotations><version>1.1</version>{images}</annotations>'


def flat(name: str, labels: tuple[str, ...]) -> dict[str, object]:
    """A row of Label Studio's JSON-MIN: a text for one label."""
    value = {"choices": list(labels)} if len(labels) > 1 else "".join(labels)
    return {"image": f"/data/upload/{name}", "id": 1, "pets": value, "annotator": 1, "annotation_id": 1}


def flat_csv() -> str:
    """Label Studio's CSV: the same rows, with several labels as JSON in a cell."""
    text = io.StringIO()
    rows = [flat(name, labels) for name, labels in EXPECTED.items()]
    writer = csv.writer(text)
    writer.writerow([*rows[0], "lead_time"])
    for row in rows:
        writer.writerow([json.dumps(cell) if isinstance(cell, dict) else cell for cell in (*row.values(), 2.5)])
    return text.getvalue()


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
CVAT_BOX = '<box label="{label}" xtl="1" ytl="1" xbr="30" ybr="30"/>'
UNANSWERED = {  # these formats cannot say that an image has none of the labels
    "rekognition": "\n".join(json.dumps(rekognition(name, *labels)) for name, labels in EXPECTED.items()),
    "label studio": json.dumps([task(name, choices(*labels)) for name, labels in EXPECTED.items()]),
    "label studio boxes": json.dumps([task(name, *map(rectangle, labels)) for name, labels in EXPECTED.items()]),
    "label studio min": json.dumps([flat(name, labels) for name, labels in EXPECTED.items()]),
    "label studio csv": flat_csv(),
    "cvat": cvat('<tag label="{label}" source="manual"></tag>'),
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


@pytest.mark.parametrize("name", UNANSWERED)
def test_an_image_without_a_label_is_bad_where_it_may_not_be_labelled_yet(tmp_path: Path, name: str) -> None:
    for image in EXPECTED:
        (tmp_path / image).touch()
    found = read(tmp_path, UNANSWERED[name], multi_label=True)
    answered = {image: labels for image, labels in EXPECTED.items() if labels}
    assert {image.path.name: image.labels for image in found} == answered
    assert [Path(image.name).name.removeprefix("0a1b2c3d-") for image, _ in found.bad] == ["c.jpg"]
    assert "It has no" in found.bad[0][1]


def test_images_without_a_box_are_counted_in_a_note(tmp_path: Path) -> None:
    found = read(tmp_path, cvat(CVAT_BOX), multi_label=True)
    assert {image.name: image.labels for image in found.images} == {k: v for k, v in EXPECTED.items() if v}
    assert "list: 1 image without a box not used." in found.notes


@pytest.mark.parametrize("name", ["label studio boxes", "cvat"])
def test_boxes_and_tags_of_one_image_are_joined(tmp_path: Path, name: str) -> None:
    if name == "cvat":
        image = f'<image id="0" name="a.jpg"><tag label="dog"/>{CVAT_BOX.format(label="cat")}</image>'
        other = '<image id="1" name="b.jpg"><tag label="cat"/></image>'
        text = f"<annotations>{image}{other}</annotations>"
    else:
        tasks = [task("a.jpg", choices("dog"), rectangle("cat"), rectangle("cat")), task("b.jpg", choices("cat"))]
        text = json.dumps(tasks)
    found = read(tmp_path, text, multi_label=True)
    assert [image.labels for image in found.images] == [("cat", "dog"), ("cat",)]


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

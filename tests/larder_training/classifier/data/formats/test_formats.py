"""Each format of a list gives the same images and labels; what cannot be used is named with its place."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from larder.errors import InvalidRequest
from larder_training.classifier.data.formats.detect import read_list
from larder_training.classifier.data.formats.entries import ImageList, ListedImage, ListOptions, ListText
from larder_training.classifier.data.manifests import ImageDataset, read_dataset

LABELS = {"a.jpg": "cat", "b.jpg": "dog", "c.jpg": "cat"}


def read(text: str, **options: Any) -> ImageList:  # noqa: ANN401 - of ListOptions
    return read_list(ListText("list", text), ListOptions(**options))


def labels(result: ImageList) -> dict[str, tuple[str, ...]]:
    return {entry.name: entry.labels for entry in result.entries}


def from_text(folder: Path, text: str, **options: Any) -> ImageDataset:  # noqa: ANN401 - of read_dataset
    path = folder / "list"
    path.write_text(text)
    return read_dataset(path, **options)


def lines(*rows: object) -> str:
    return "\n".join(map(json.dumps, rows)) + "\n"


def ground_truth(name: str, label: str, attribute: str = "kind") -> dict[str, object]:
    metadata = {"class-name": label, "type": "groundtruth/image-classification", "confidence": 0.9}
    return {"source-ref": name, attribute: 0, f"{attribute}-metadata": metadata}


def several(name: str, *numbers: int) -> dict[str, object]:
    metadata = {"class-map": {"0": "cat", "1": "dog"}, "type": "groundtruth/image-classification-multilabel"}
    return {"source-ref": name, "kind": list(numbers), "kind-metadata": metadata}


def task(name: str, *answers: str, **more: object) -> dict[str, Any]:
    result = [{"from_name": "animal", "type": "choices", "value": {"choices": [answer]}} for answer in answers]
    return {"data": {"image": f"/data/upload/3/1f2e3d4c-{name}"}, "annotations": [{"result": result, **more}]}


COCO: dict[str, Any] = {
    "images": [{"id": n, "file_name": name} for n, name in enumerate(LABELS)],
    "annotations": [{"image_id": n, "category_id": int(label == "dog")} for n, label in enumerate(LABELS.values())],
    "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
}
CVAT = "".join(f'<image id="{n}" name="{i}"><tag label="{k}"/></image>' for n, (i, k) in enumerate(LABELS.items()))
FORMATS = {
    "csv": "path,label\n" + "".join(f"{name},{label}\n" for name, label in LABELS.items()),
    "headers": " File Name ; CLASS\n" + "".join(f"{name};{label}\n" for name, label in LABELS.items()),
    "sep=": "sep=|\r\nimg|category\r\n" + "".join(f"{name}|{label}\r\n" for name, label in LABELS.items()),
    "one-hot": "filename, cat, dog\na.jpg, 1, 0\nb.jpg, 0, 1\nc.jpg, 1, 0\n",
    "json lines": lines(*({"file_name": name, "label": label} for name, label in LABELS.items())),
    "json array": json.dumps([{"image": name, "label": label} for name, label in LABELS.items()], indent=1),
    "ground truth": lines(*(ground_truth(name, label) for name, label in LABELS.items())),
    "multi-label job": lines(several("a.jpg", 0), several("b.jpg", 1), several("c.jpg", 0)),
    "rekognition": lines(*(ground_truth(name, label, f"animals_{label}") for name, label in LABELS.items())),
    "coco": json.dumps(COCO, indent=2),
    "coco in one line": json.dumps(COCO),
    "cvat": f'<?xml version="1.0"?>\n<annotations><version>1.1</version>{CVAT}</annotations>',
    "label studio": json.dumps([task(name, label) for name, label in LABELS.items()]),
    "label studio min": json.dumps(
        [
            {"image": f"/data/upload/{name}", "id": n, "choice": label, "annotator": 1, "annotation_id": n}
            for n, (name, label) in enumerate(LABELS.items())
        ]
    ),
    "label studio csv": "annotation_id,annotator,animal,id,image,lead_time\n"
    + "".join(f'{n},1,"{label}",{n},/data/local-files/?d={i},3.5\n' for n, (i, label) in enumerate(LABELS.items())),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_labels(tmp_path: Path, name: str) -> None:
    for image in LABELS:
        (tmp_path / image).touch()
    dataset = from_text(tmp_path, FORMATS[name])
    assert {image.path.name: image.label for image in dataset} == LABELS
    assert all(image.path.is_file() for image in dataset)
    assert not dataset.bad


def test_choices_of_the_reader_are_said(tmp_path: Path) -> None:
    assert from_text(tmp_path, FORMATS["headers"]).notes == (
        "list: images from the column 'File Name', labels from 'CLASS' separated by semicolons.",
    )


# Tables.


def test_own_names_win_and_others_are_side_information() -> None:
    (entry,) = read("path,label,category,species,set\na.jpg,cat,x,y,left\n").entries
    assert (entry.labels, entry.part) == (("cat",), None)
    assert entry.side == {"category": "x", "species": "y", "set": "left"}


def test_a_split_is_read_from_common_names() -> None:
    result = read("file,class,subset\na.jpg,cat,Training\nb.jpg,dog,valid\nc.jpg,dog,test\n")
    assert [entry.part for entry in result.entries] == ["train", "validation", "test"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("file,class,species\na,b,c\n", {}, r"may be the label: class, species\. Give --columns label=class or --col"),
        ("file,class\na,b\n", {"columns": {"label": "kind"}}, "no column 'kind', which --columns states as label"),
        ("path,label,label\na,b,c\n", {}, "two columns named 'label'"),
        ('path,label\na.jpg,"cat\nb.jpg,dog\n', {}, r"list line 3 is not CSV \(unexpected end of data\)"),
        ('path,label\na.jpg,"cat" big\n', {}, "list line 2 is not CSV"),
        ("path,label,split\na,b,later\n", {}, "list line 2: split is 'later'"),
        ("", {}, "list is empty"),
        ('{"a": 1}\n', {}, "the columns a, and none is known as path or label"),
        ('[{"a": 1},\n', {}, "list line 2 is not JSON"),
        ('{\n "images": [],\n "annot', {}, "list line 3 is not JSON"),
        ("<annotations><image>", {}, "list is not valid XML"),
        ("<html></html>", {}, "list has no format that Larder reads"),
        ("<annotations><track/></annotations>", {}, "tracks of a video"),
    ],
)
def test_an_error_says_what_to_do(text: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read(text, **options)


def test_columns_may_be_stated() -> None:
    result = read("id,class,species\na.jpg,x,cat\n", columns={"path": "ID", "label": "species"})
    assert labels(result) == {"a.jpg": ("cat",)}


def test_rows_that_cannot_be_used_are_named_and_the_others_stay() -> None:
    result = read('path,label,note\na.jpg,cat,x\nb.jpg,\n,dog\nc.jpg,dog,x,y\n"d\n.jpg",dog\n;;;\n\ne.jpg,dog\n')
    assert labels(result) == {"a.jpg": ("cat",), "e.jpg": ("dog",)}
    assert [(row.where, row.reason.partition(".")[0]) for row in result.unusable] == [
        ("line 3", "label is empty"),
        ("line 4", "path is empty"),
        ("line 5", "The row has 4 cells, and the header has 3"),
        ("line 7", "path spans lines ('d\\n"),
        ("line 8", "label is empty"),
    ]


def test_numbers_with_a_decimal_comma_get_a_point() -> None:
    result = read("path;label;weight;size\na.jpg;cat;1,5;1,2,3\nb.jpg;dog;2;4\n")
    assert [entry.side for entry in result.entries] == [
        {"weight": "1.5", "size": "1,2,3"},
        {"weight": "2", "size": "4"},
    ]


def test_corners_of_a_table_are_boxes() -> None:
    (entry,) = read("filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,640,480,cat,10,20,110,220\n").entries
    assert (entry.labels, entry.box, entry.side) == (("cat",), (10, 20, 110, 220), {})


# Several labels.


def test_several_labels_are_kept_together_in_each_format() -> None:
    both = ("cat", "dog")
    for text in (
        "path,label\na.jpg,cat|dog\nb.jpg,dog\n",
        "filename,cat,dog\na.jpg,1,1\nb.jpg,0,1\n",
        lines({"image": "a.jpg", "labels": ["cat", "dog"]}, {"image": "b.jpg", "labels": ["dog"]}),
        lines(several("a.jpg", 0, 1), several("b.jpg", 1)),
        lines(
            ground_truth("a.jpg", "cat", "set_cat") | ground_truth("a.jpg", "dog", "set_dog"),
            ground_truth("b.jpg", "dog", "set_dog"),
        ),
        json.dumps([task("a.jpg", "cat", "dog"), task("b.jpg", "dog")]),
        '<annotations><image name="a.jpg"><tag label="cat"/><tag label="dog"/></image></annotations>',
    ):
        first = read(text).entries[0]
        assert (first.name.removeprefix("1f2e3d4c-"), first.labels) == ("a.jpg", both), text


def test_a_bar_in_labels_that_are_not_labels_alone_is_part_of_them() -> None:
    assert labels(read("path,label\na.jpg,left|up\nb.jpg,right|up\n"))["a.jpg"] == ("left|up",)


def test_few_images_with_several_labels_are_bad_files(tmp_path: Path) -> None:
    rows = [f"{n}.jpg,{'cat' if n % 2 else 'dog'}" for n in range(12)]
    dataset = from_text(tmp_path, "\n".join(["path,label", "x.jpg,cat", *rows, "x.jpg,dog"]))
    ((image, reason),) = dataset.bad
    assert (image.labels, len(dataset)) == (("cat", "dog"), 12)
    assert reason == "list line 2: It has several labels (cat, dog). Keep one."


def test_many_images_with_several_labels_are_refused_with_counts(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"several labels for 1 of 3 images \(a\.jpg: cat, dog\)\. A classifier"):
        from_text(tmp_path, "path,label\na.jpg,cat|dog\nb.jpg,cat\nc.jpg,dog\n")


def test_escapes_that_no_text_can_have_are_bad_files(tmp_path: Path) -> None:
    rows = [{"path": f"{n}.jpg", "label": "cat" if n % 2 else "dog"} for n in range(6)]
    odd = [{"path": "a\0.jpg", "label": "cat"}, {"path": "a.jpg", "label": "\ud83d"}, {"path": "s3://", "label": "cat"}]
    dataset = from_text(tmp_path, lines(*rows, *odd))
    assert [reason.partition(": ")[0] for _, reason in dataset.bad] == ["list line 7", "list line 8", "list line 9"]
    assert len(dataset) == 6


# Ground Truth.


def test_lines_that_a_job_could_not_label_are_bad_files(tmp_path: Path) -> None:
    failed = {"source-ref": "x.jpg", "kind-metadata": {"failure-reason": "ClientError: too late."}}
    rows = [ground_truth(name, label) for name, label in LABELS.items()]
    dataset = from_text(tmp_path, lines(rows[0], failed, {"source-ref": "y.jpg"}, *rows[1:]))
    assert [(image.name, reason) for image, reason in dataset.bad] == [
        ("x.jpg", "list line 2: Ground Truth could not label it: ClientError: too late. Label it again."),
        ("y.jpg", "list line 3: It has no label. Label it, or remove the line."),
    ]
    assert len(dataset) == 3


def test_a_manifest_without_usable_lines_is_refused_with_the_first_reason(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"list line 1: It has no label.* 3 of 3 entries cannot be used"):
        from_text(tmp_path, lines(*({"source-ref": name} for name in "abc")))


def test_boxes_of_a_job_are_entries_of_their_own() -> None:
    row = {
        "source-ref": "a.jpg",
        "box": {"annotations": [{"class_id": 1, "left": 4, "top": 5, "width": 10, "height": 20}]},
        "box-metadata": {"class-map": {"1": "dog"}, "type": "groundtruth/object-detection"},
    }
    assert read(lines(row)).entries == (ListedImage("line 1", "a.jpg", ("dog",), box=(4, 5, 14, 25)),)


# COCO, CVAT and Label Studio.


def test_boxes_of_coco_and_cvat() -> None:
    boxed = COCO | {"annotations": [{"image_id": 0, "category_id": 1, "bbox": [4, 5, 10, 20]}]}
    shapes = '<box label="dog" xtl="4" ytl="5" xbr="14" ybr="25"/><polygon label="cat" points="1,2;3,9;2,4"/>'
    cvat = read(f'<annotations><image id="0" name="a.jpg">{shapes}</image><image name="b.jpg"/></annotations>')
    assert read(json.dumps(boxed)).entries == (ListedImage("image 1", "a.jpg", ("dog",), box=(4, 5, 14, 25)),)
    assert [(entry.labels, entry.box) for entry in cvat.entries] == [
        (("dog",), (4, 5, 14, 25)),
        (("cat",), (1, 2, 3, 9)),
    ]
    assert cvat.notes == ("list: 1 image without a box not used.",)


def test_an_image_whose_only_label_is_empty_is_unusable() -> None:
    nameless = COCO | {"annotations": [{"image_id": 0, "category_id": 9}], "categories": [{"id": 9}]}
    assert next((row.where, row.name) for row in read(json.dumps(nameless)).unusable) == ("image 1", "a.jpg")
    box = '<image id="4" name="a.jpg"><box label=" " xtl="4" ytl="5" xbr="14" ybr="25"/></image>'
    cvat = read(f"<annotations>{box}{CVAT}</annotations>")
    assert [(row.where, row.name) for row in cvat.unusable] == [("image 4", "a.jpg")]


def test_a_box_around_the_whole_image_is_a_label_of_the_image() -> None:
    whole = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}],
        "annotations": [{"image_id": 7, "category_id": 0, "bbox": [0, 0, 64, 48]}],
        "categories": COCO["categories"],
    }
    assert [entry.box for entry in read(json.dumps(whole)).entries] == [None]


def test_an_annotation_of_an_unknown_image_is_an_error() -> None:
    wrong = COCO | {"annotations": [{"image_id": 9, "category_id": 0}]}
    with pytest.raises(InvalidRequest, match="annotation 1 has image_id 9, but there is no such image"):
        read(json.dumps(wrong))


def test_boxes_need_an_option(tmp_path: Path) -> None:
    boxed = COCO | {
        "annotations": [{**row, "bbox": [4, 5, 10, 20]} for row in COCO["annotations"]],
    }
    with pytest.raises(InvalidRequest, match=r"3 boxes and none for whole images: give --boxes cut .* --boxes ignore"):
        from_text(tmp_path, json.dumps(boxed))
    assert Counter(image.box for image in from_text(tmp_path, json.dumps(boxed), boxes="cut")) == {(4, 5, 14, 25): 3}
    ignored = from_text(tmp_path, json.dumps(boxed), boxes="ignore")
    assert {image.name: image.label for image in ignored} == LABELS
    assert {image.box for image in ignored} == {None}


def test_annotators_who_disagree_and_skipped_tasks_are_named() -> None:
    twice = task("a.jpg", "cat")
    twice["annotations"] = [*task("a.jpg", "cat")["annotations"], *task("a.jpg", "dog")["annotations"]]
    result = read(json.dumps([twice, task("b.jpg", "dog", was_cancelled=True), task("c.jpg", "dog")]))
    assert [row.reason for row in result.unusable] == [
        "Its annotators disagree (cat; dog). Decide on one label.",
        "It has no label. Label it, or remove it.",
    ]
    assert labels(result) == {"1f2e3d4c-c.jpg": ("dog",)}


def test_a_question_of_several_must_be_chosen() -> None:
    row = task("a.jpg", "cat")
    row["annotations"] = [
        {"result": [{"from_name": name, "value": {"choices": [name[:3]]}} for name in ("animal", "quality")]}
    ]
    with pytest.raises(InvalidRequest, match=r"2 questions \(animal, quality\): choose .* --label-attribute"):
        read(json.dumps([row]))
    assert labels(read(json.dumps([row]), label_attribute="quality")) == {"1f2e3d4c-a.jpg": ("qua",)}


def test_rectangles_of_label_studio_are_in_shares() -> None:
    value = {"x": 10, "y": 20, "width": 50, "height": 25, "rectanglelabels": ["dog"]}
    row = task("a.jpg")
    row["annotations"] = [{"result": [{"from_name": "box", "type": "rectanglelabels", "value": value}]}]
    (entry,) = read(json.dumps([row])).entries
    assert (entry.labels, entry.box, entry.relative) == (("dog",), (0.1, 0.2, 0.6, 0.45), True)


# Where images lie.


@pytest.mark.parametrize("place", ["{}", "images/{}", "../{}", "../images/{}"])
def test_images_are_found_where_exports_put_them(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "annotations"
    for name in LABELS:
        path = folder / place.format(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    folder.mkdir(exist_ok=True)
    assert all(image.path.is_file() for image in from_text(folder, FORMATS["coco"]))


def test_backslashes_of_windows_are_slashes(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "a.jpg").touch()
    dataset = from_text(tmp_path, "path,label\ncats\\a.jpg,cat\nb.jpg,dog\n")
    assert {image.label for image in dataset if image.path.is_file()} == {"cat"}


def test_an_unknown_part_in_a_one_hot_list_is_named() -> None:
    rows = "filename,{},cat,dog\na.jpg,train,1,0\nb.jpg,holdout,0,1\n"
    with pytest.raises(InvalidRequest, match="list line 3: split is 'holdout'; write train, validation, test"):
        read(rows.format("split"))
    assert [entry.part for entry in read(rows.format("fold")).entries] == ["train", None]


@pytest.mark.parametrize("name", ["//[a.png", "http://[a/b.png"])
def test_a_name_that_is_no_valid_url_is_a_path(tmp_path: Path, name: str) -> None:
    for text in (f"path,label\n{name},cat\nb.jpg,dog\n", json.dumps([task("b.jpg", "dog"), task("c.jpg", "cat")])):
        dataset = from_text(tmp_path, text.replace("/data/upload/3/1f2e3d4c-c.jpg", name))
        assert len(dataset) == 2


def test_two_classes_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="list has two columns named 'cat'"):
        read("filename,cat,cat,dog\na.jpg,1,0,0\nb.jpg,0,0,1\n")


def test_lists_of_parts_are_read_together(tmp_path: Path) -> None:
    for part, image in (("train", "a.jpg"), ("train", "b.jpg"), ("valid", "c.jpg")):
        (tmp_path / part).mkdir(exist_ok=True)
        (tmp_path / part / image).touch()
    (tmp_path / "train" / "_classes.csv").write_text("filename, cat, dog\na.jpg,1,0\nb.jpg,0,1\n")
    (tmp_path / "valid" / "_classes.csv").write_text("filename, cat, dog\nc.jpg,1,0\n")
    dataset = read_dataset(tmp_path)
    assert {(image.path.parent.name, image.part, image.label) for image in dataset} == {
        ("train", "train", "cat"),
        ("train", "train", "dog"),
        ("valid", "validation", "cat"),
    }

import json
from pathlib import Path

import pytest

from larder.errors import InvalidRequest
from larder_training.classifier.data.manifests import LabelledImage, read_dataset


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def ground_truth(source: str, label: str, attribute: str = "animal") -> dict[str, object]:
    metadata = {
        "class-name": label,
        "confidence": 0.9,
        "type": "groundtruth/image-classification",
        "human-annotated": "yes",
    }
    return {"source-ref": source, attribute: 0, f"{attribute}-metadata": metadata}


def test_folders_are_classes_and_hidden_files_are_ignored(tmp_path: Path) -> None:
    for name in ("cat/a.png", "cat/more/b.png", "dog/c.png", ".git/x.png", "dog/.DS_Store", "loose.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    images = [(image.name, image.label) for image in read_dataset(tmp_path)]
    assert images == [("cat/a.png", "cat"), ("cat/more/b.png", "cat"), ("dog/c.png", "dog")]


def test_csv_paths_are_relative_to_the_file_and_the_split_is_read(tmp_path: Path) -> None:
    source = write(tmp_path / "images.csv", "path,label,split", "a.png,cat,train", "b/c.png,dog,TEST", "d.png,dog,")
    assert list(read_dataset(source)) == [
        LabelledImage(tmp_path / "a.png", "a.png", "cat", "train"),
        LabelledImage(tmp_path / "b/c.png", "b/c.png", "dog", "test"),
        LabelledImage(tmp_path / "d.png", "d.png", "dog", None),
    ]


def test_ground_truth_manifest_is_read(tmp_path: Path) -> None:
    lines = [ground_truth("a.png", "cat"), ground_truth((tmp_path / "b b.png").as_uri(), "dog")]
    source = write(tmp_path / "output.manifest", *map(json.dumps, lines))
    assert {(image.path, image.label) for image in read_dataset(source)} == {
        (tmp_path / "a.png", "cat"),
        (tmp_path / "b b.png", "dog"),
    }


def test_label_attribute_chooses_between_several(tmp_path: Path) -> None:
    lines = [ground_truth(f"{n}.png", "cat") | ground_truth(f"{n}.png", f"colour{n}", "colour") for n in range(2)]
    source = write(tmp_path / "output.manifest", *map(json.dumps, lines))
    with pytest.raises(InvalidRequest, match=r"line 1 has 2 label attributes \(animal, colour\).*--label-attribute"):
        read_dataset(source)
    assert [image.label for image in read_dataset(source, "colour")] == ["colour0", "colour1"]


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("a.csv", ["scan,kind", "a,b"], "has the columns scan, kind.*--columns path=NAME,label=NAME"),
        ("a.csv", ["path,label", "a.png,"], r"a\.csv line 2: label is empty.* 1 of 1 entry cannot be used"),
        ("a.csv", ["path,label,split", "a.png,b,later"], "line 2: split is 'later'"),
        ("a.csv", ["path,label", "a.png,b"], "1 image of 1 class;"),
        ("a.manifest", ["{"], "line 2 is not JSON"),
        ("a.manifest", ["[7]"], "entry 1 is 7: write one object"),
        ("a.manifest", [json.dumps(ground_truth("gs://bucket/a.png", "cat"))], "only local files and s3:// URLs"),
        (
            "a.manifest",
            ['{"source-ref": "a", "boxes": {}, "boxes-metadata": {"class-map": {}}}'],
            "line 1: It has no label",
        ),
        ("a.txt", ["hello"], "has the columns hello"),
    ],
)
def test_an_error_names_the_line(tmp_path: Path, name: str, lines: list[str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read_dataset(write(tmp_path / name, *lines))


def test_the_error_for_a_missing_folder_does_not_show_its_path(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_dataset(tmp_path / "nothing")
    assert "'nothing'" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def folder(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.mark.parametrize(
    ("header", "files"),
    [
        ("id,breed", ("train/{}.jpg", "test/other.jpg")),
        ("image_id,label", ("{}.png", "{}.txt")),
        ("Image_ID;id;Class", ("images/{}.webp", "masks/{}.png")),
        ("id_code,diagnosis", ("train_images/{}.png", "test_images/z.png")),
        ("lesion_id,image_id,dx", ("part_2/{}.JPG", "part_1/z.jpg")),
        ("id,label", ("train/train/{}.tif",)),
    ],
)
def test_an_id_stands_for_the_image_of_this_stem(header: str, files: tuple[str, ...], tmp_path: Path) -> None:
    # GIVEN lists of competitions, whose ids have no suffix
    sign = ";" if ";" in header else ","
    names = header.lower().split(sign)
    place = next(names.index(name) for name in ("image_id", "id_code", "id") if name in names)
    rows = []
    for image, label in (("a1", "cat"), ("b.2", "dog")):
        cells = ["x"] * len(names)
        cells[place], cells[-1] = image, label
        rows.append(sign.join(cells))
        folder(tmp_path, *(file.format(image) for file in files))
    # WHEN
    dataset = read_dataset(write(tmp_path / "labels.csv", header, *rows))
    # THEN
    assert [image.label for image in dataset] == ["cat", "dog"]
    assert [image.path for image in dataset] == [tmp_path / files[0].format(image) for image in ("a1", "b.2")]


def test_a_name_with_its_suffix_is_found_in_the_folders_beside_the_list(tmp_path: Path) -> None:
    folder(tmp_path, "train/a.jpg", "test/a.jpg", "train/b.jpg")
    source = write(tmp_path / "train.csv", "id,label", "a.jpg,cat", "b.jpg,dog")
    assert [image.path for image in read_dataset(source)] == [tmp_path / "train/a.jpg", tmp_path / "train/b.jpg"]


def test_ids_of_one_class_for_each_column(tmp_path: Path) -> None:
    folder(tmp_path, "images/Train_0.jpg", "images/Train_1.jpg")
    source = write(tmp_path / "train.csv", "image_id,healthy,rust", "Train_0,1,0", "Train_1,0,1")
    assert [(image.path.name, image.label) for image in read_dataset(source)] == [
        ("Train_0.jpg", "healthy"),
        ("Train_1.jpg", "rust"),
    ]


@pytest.mark.parametrize("name", ["a", "a.jpg"])
def test_a_name_of_several_images_is_named_with_them(name: str, tmp_path: Path) -> None:
    folder(tmp_path, "train/a.jpg", "test/a.jpg", "train/b.jpg", "train/c.jpg")
    source = write(tmp_path / "labels.csv", "id,label", f"{name},cat", "b,dog", "c,cat")
    ((_, reason),) = read_dataset(source).bad
    fitting = "fits 2 images: test/a.jpg, train/a.jpg"
    assert reason == f"labels.csv line 2: {name!r} {fitting}. Write the path with its folder and suffix."


@pytest.mark.parametrize("header", ["id,label", "id,cat,dog"])
def test_ids_that_name_no_image_are_no_paths(header: str, tmp_path: Path) -> None:
    values = ("cat", "dog") if header.endswith("label") else ("1,0", "0,1")
    source = write(tmp_path / "labels.csv", header, *(f"{n},{value}" for n, value in enumerate(values)))
    with pytest.raises(InvalidRequest, match=r"none is known as path.*--columns path=NAME.*'id' names no image"):
        read_dataset(source)


def test_a_column_of_images_is_better_than_ids(tmp_path: Path) -> None:
    folder(tmp_path, "a.png", "b.png")
    source = write(tmp_path / "labels.csv", "id,image_id,file,label", "1,7,a.png,cat", "2,8,b.png,dog")
    assert [(image.name, image.side) for image in read_dataset(source)] == [
        ("a.png", {"id": "1", "image_id": "7"}),
        ("b.png", {"id": "2", "image_id": "8"}),
    ]

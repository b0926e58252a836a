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

"""Folders in the layouts that data sets are shared in: classes, splits, lists beside images, and files of no use."""

from collections import Counter
from pathlib import Path

import pytest

from larder.errors import InvalidRequest
from larder.store import open_store
from larder_training.classifier.data.folder_layout import Layout, ListFile, Tree, read_layout
from larder_training.classifier.data.manifests import read_dataset


def layout(*files: str, folders: tuple[str, ...] = ()) -> Layout:
    return read_layout(Tree("data", files, folders))


def found(result: Layout) -> Counter[tuple[str | None, str]]:
    return Counter((entry.part, entry.labels[0]) for entry in result.entries)


SPLIT = {("train", "cat"): 1, ("train", "dog"): 1, ("test", "cat"): 1, ("test", "dog"): 1}


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train/", "test/"),
        ("Train/", "TEST/"),
        ("training/", "testing/"),
        ("images/train/", "images/test/"),
        ("archive/data/train/", "archive/data/test/"),
        ("training_set/training_set/", "test_set/test_set/"),
        ("seg_train/", "seg_test/"),
    ],
)
def test_folders_named_as_parts_are_the_split(train: str, test: str) -> None:
    result = layout(*(f"{start}{label}/1.jpg" for start in (train, test) for label in ("cat", "dog")))
    assert found(result) == SPLIT
    assert any("the folders are the split" in note for note in result.notes)


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val", "dev"])
def test_the_validation_part_has_several_names(name: str) -> None:
    result = layout(*(f"{part}/{label}/1.jpg" for part in ("train", name) for label in ("cat", "dog")))
    assert found(result)["validation", "cat"] == 1


def test_a_part_may_lack_a_class_but_not_have_one_of_its_own() -> None:
    files = ["train/cat/1.jpg", "train/dog/1.jpg", "test/cat/2.jpg"]
    assert found(layout(*files)) == {("train", "cat"): 1, ("train", "dog"): 1, ("test", "cat"): 1}
    with pytest.raises(InvalidRequest, match="looks like a split, but train lacks the class fox"):
        layout(*files, "test/fox/3.jpg")


def test_a_split_below_each_class_is_taken() -> None:
    assert found(layout(*(f"{c}/{p}/1.jpg" for c in ("cat", "dog") for p in ("train", "test")))) == SPLIT


def test_images_of_a_part_without_classes_are_counted() -> None:
    result = layout("train/cat/1.jpg", "train/dog/1.jpg", "test/1.jpg", "test/2.jpg")
    assert found(result) == {("train", "cat"): 1, ("train", "dog"): 1}
    assert "data: 2 images in test/ have no class folder and are not used" in result.notes


@pytest.mark.parametrize("classes", [("train", "car", "bus"), ("train_station", "test_tube"), ("cat", "dog")])
def test_classes_may_be_named_like_parts(classes: tuple[str, ...]) -> None:
    assert found(layout(*(f"{label}/1.jpg" for label in classes))) == {(None, label): 1 for label in classes}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["train/cat/1.jpg", "test/cat/1.jpg", "extra/1.jpg"], "data has extra beside test, train, which look like"),
        (["val/cat/1.jpg", "test/cat/1.jpg"], "test and val, which look like a split, but no train folder"),
        (["train/1.jpg", "test/1.jpg"], "the parts test, train of a split, but no class folders in them"),
        (["images/1.jpg", "result.json"], r"no class folders, but result\.json: give that file"),
    ],
)
def test_what_cannot_be_a_split_is_refused_in_words(files: list[str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        layout(*files)


def test_files_of_no_use_are_named_and_those_of_systems_are_not() -> None:
    result = layout(
        *(
            "cat/1.jpg",
            "cat/._1.jpg",
            "cat/Thumbs.db",
            "cat/.DS_Store",
            "__MACOSX/cat/._1.jpg",
            "dog/1.jpg",
            "@eaDir/x",
        ),
        *("loose.png", "dog/notes.txt", "README.md"),
        folders=("cat", "dog", "fox", "owl/small"),
    )
    assert found(result) == {(None, "cat"): 1, (None, "dog"): 1}
    assert result.notes == (
        "data: 1 file without a label lies beside the class folders: loose.png",
        "data: 2 class folders without images: fox, owl",
        "data: 2 files of other kinds are not used: dog/notes.txt, README.md",
    )


def test_empty_class_folders_of_parts_are_named() -> None:
    result = layout("train/cat/1.jpg", "train/dog/1.jpg", "test/cat/1.jpg", folders=("test/dog",))
    assert "data: 1 class folder without images: test/dog" in result.notes


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl", "_classes.csv", "_annotations.coco.json"])
def test_lists_beside_their_images_are_read(name: str) -> None:
    assert layout("1.jpg", name).lists == (ListFile(name, None),)
    parts = layout("set/train/1.jpg", f"set/train/{name}", "set/valid/2.jpg", f"set/valid/{name}")
    assert parts.lists == (ListFile(f"set/train/{name}", "train"), ListFile(f"set/valid/{name}", "validation"))


def write(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return root


def test_labels_that_look_alike_are_reported_and_same_ones_are_one_class(tmp_path: Path) -> None:
    composed, decomposed = "Th\u00e9", "The\u0301"
    write(tmp_path, *(f"{label}/1.jpg" for label in (composed, decomposed, "cat", "Cat ", "dog.", "dog", "\u0421at")))
    dataset = read_dataset(tmp_path)
    assert Counter(image.label for image in dataset)[composed] == 2
    assert f"The label {composed!r} is written in 2 ways (blanks or accents differ) and counts as one class" in (
        dataset.notes
    )
    alike = [note for note in dataset.notes if "look alike" in note]
    assert len(alike) == 2
    assert "'Cat' (1 image) and 'cat' (1 image) and '\u0421at' with U+0421 (1 image)" in alike[0]
    assert "'dog' (1 image) and 'dog.' (1 image)" in alike[1]


def test_a_prefix_in_s3_has_the_same_layouts(s3_url: str) -> None:
    store = open_store(s3_url)
    for key in ("train/cat/1.jpg", "train/dog/1.jpg", "test/cat/2.jpg", "test/dog/2.jpg", "test/Thumbs.db"):
        store.put(f"pets/{key}", b"x")
    dataset = read_dataset(f"{s3_url}/pets")
    assert Counter((image.part, image.label) for image in dataset) == SPLIT
    assert dataset[0].origin == f"{s3_url}/pets/test/cat/2.jpg"


def test_a_link_back_to_a_folder_ends(tmp_path: Path) -> None:
    write(tmp_path, "cat/1.jpg", "dog/1.jpg")
    (tmp_path / "cat" / "again").symlink_to(tmp_path)
    assert len(read_dataset(tmp_path)) == 2


def test_folders_are_the_labels_if_the_list_has_none(tmp_path: Path) -> None:
    write(tmp_path, "cat/1.jpg", "dog/1.jpg")
    (tmp_path / "metadata.csv").write_text("file_name,price\ncat/1.jpg,3\n")
    dataset = read_dataset(tmp_path)
    assert {image.label for image in dataset} == {"cat", "dog"}
    assert "the list in them cannot be used: metadata.csv has the columns file_name, price" in dataset.notes[0]

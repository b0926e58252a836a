import shutil
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from larder.classifier.image_decoding import decode
from larder.errors import InvalidRequest
from larder_training.classifier.data import crops, near_duplicates
from larder_training.classifier.data.formats.entries import Part
from larder_training.classifier.data.manifests import LabelledImage, read_dataset
from larder_training.classifier.data.near_duplicates import THUMBNAIL, dhash, downscale, group_near_duplicates
from larder_training.classifier.data.scan import DatasetScan, Sample, scan_images
from larder_training.classifier.data.splits import DatasetSplit, split_dataset
from larder_training.reporting.progress import Progress

Draw = Callable[..., NDArray[np.uint8]]
Save = Callable[..., Path]
QUIET = Progress(quiet=True)


def split(scan: DatasetScan, seed: int = 0) -> DatasetSplit:
    return split_dataset(scan, validation=0.15, test=0.15, seed=seed)


def part_of(dataset: DatasetSplit) -> dict[str, str]:
    """The part of each file, by digest."""
    return {sample.digest: part for part, samples in dataset.parts.items() for sample in samples}


def synthetic(groups: list[tuple[str, int]]) -> DatasetScan:
    """A scan without files: one sample for each (label, group)."""
    samples = [
        Sample(LabelledImage(Path(f"{n}.png"), f"{n}.png", label), f"{n:064x}", number)
        for n, (label, number) in enumerate(groups)
    ]
    return DatasetScan(tuple(samples), (), (), ())


def test_bad_files_are_reported_with_the_reason_and_the_others_stay(own_images: Path) -> None:
    whole = (own_images / "rings/000.png").read_bytes()
    (own_images / "rings/000.png").write_bytes(whole[: len(whole) // 2])
    (own_images / "rings/001.png").write_bytes(b"")
    (own_images / "stripes/notes").write_text("hello")
    scan = scan_images(read_dataset(own_images), QUIET)
    reasons = {image.name: reason for image, reason in scan.bad}
    assert set(reasons) == {"rings/000.png", "rings/001.png", "stripes/notes"}
    assert "truncated or damaged" in reasons["rings/000.png"]
    assert "JPEG, PNG, WebP, GIF, HEIC and AVIF are supported" in reasons["stripes/notes"]
    assert len(scan.samples) == 34


def test_a_missing_file_of_a_manifest_is_a_bad_file(own_images: Path) -> None:
    source = own_images / "images.csv"
    rows = [f"{path.relative_to(own_images)},{path.parent.name}" for path in sorted(own_images.glob("*/*.png"))]
    source.write_text("\n".join(["path,label", "missing.png,rings", *rows]))
    scan = scan_images(read_dataset(source), QUIET)
    assert [(image.name, reason) for image, reason in scan.bad] == [
        ("missing.png", "The file cannot be read (No such file or directory). Check the path and the permissions.")
    ]


def test_exact_copies_count_once_and_conflicting_copies_are_left_out(own_images: Path) -> None:
    shutil.copy(own_images / "rings/003.png", own_images / "rings/copy.png")
    shutil.copy(own_images / "rings/004.png", own_images / "stripes/wrong.png")
    scan = scan_images(read_dataset(own_images), QUIET)
    assert [image.name for image in scan.copies] == ["rings/copy.png"]
    assert [image.name for image in scan.conflicts] == ["rings/004.png", "stripes/wrong.png"]
    assert len(scan.samples) == 35


def test_a_recompressed_rescaled_brighter_image_is_a_near_duplicate() -> None:
    # A smooth image, more natural than the noisy patterns of the fixtures.
    y, x = np.mgrid[:160, :200]
    first = (127 + 80 * np.sin(x / 31 + y / 50)[..., None] * np.array([1, 0.6, 0.3])).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(first + np.uint8(15)).resize((90, 72), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=45)
    png = BytesIO()
    Image.fromarray(first).save(png, "PNG")
    other = BytesIO()
    Image.fromarray(first[:, ::-1]).save(other, "PNG")
    small = [decode(file.getvalue(), THUMBNAIL) for file in (other, png, buffer)]
    groups = group_near_duplicates([dhash(s) for s in small], np.stack([downscale(s) for s in small]))
    assert groups.tolist() == [0, 1, 1]


def test_images_with_near_hashes_but_different_thumbnails_are_not_near_duplicates() -> None:
    # A faint and a strong edge at the same place: the signs of the differences agree.
    faint = np.full((32, 36, 3), 100, np.uint8)
    strong = faint.copy()
    faint[:, 18:], strong[:, 18:] = 110, 250
    assert dhash(faint) == dhash(strong)
    assert group_near_duplicates(
        [dhash(faint), dhash(strong)], np.stack([downscale(faint), downscale(strong)])
    ).tolist() == [0, 1]


@pytest.mark.parametrize(("tile", "pairs"), [(1024, 2048), (3, 2)])
def test_groups_agree_with_comparing_all_pairs(tile: int, pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "_TILE", tile)
    monkeypatch.setattr(near_duplicates, "_PAIRS", pairs)
    random = np.random.default_rng(0)
    hashes = [int(h) for h in random.integers(0, 2**63, 40)]
    for _ in range(60):  # flips a few bits of earlier hashes, which makes chains of near hashes
        flips = sum(1 << int(bit) for bit in random.choice(64, random.integers(1, 8), replace=False))
        hashes.append(hashes[random.integers(len(hashes))] ^ flips)
    expected = list(range(len(hashes)))
    for _ in hashes:  # the lowest number spreads through each group
        for a, first in enumerate(hashes):
            for b, second in enumerate(hashes):
                if (first ^ second).bit_count() <= 6:
                    expected[a] = expected[b] = min(expected[a], expected[b])
    assert group_near_duplicates(hashes, np.zeros((len(hashes), 864), np.uint8)).tolist() == expected


def test_near_duplicates_stay_in_one_part(own_images: Path, save: Save) -> None:
    for label in ("rings", "stripes", "checks"):
        for path in sorted((own_images / label).glob("*.png"))[:8]:
            pixels = np.asarray(Image.open(path))
            save(path.with_suffix(".jpg"), pixels, quality=85)
    scan = scan_images(read_dataset(own_images), QUIET)
    assert scan.near_duplicates == 24
    for seed in range(5):
        dataset = split(scan, seed)
        parts: dict[int, set[str]] = {}
        for part, samples in dataset.parts.items():
            for sample in samples:
                parts.setdefault(sample.group, set()).add(part)
        assert all(len(where) == 1 for where in parts.values())
        assert sum(len(samples) for samples in dataset.parts.values()) == 60


def test_every_class_has_the_same_shares_and_the_seed_chooses_the_images() -> None:
    scan = synthetic([("a", n) for n in range(100)] + [("b", 100 + n) for n in range(20)])
    dataset = split(scan)
    counts = {part: Counter(sample.image.label for sample in samples) for part, samples in dataset.parts.items()}
    assert counts == {"train": {"a": 70, "b": 14}, "validation": {"a": 15, "b": 3}, "test": {"a": 15, "b": 3}}
    assert part_of(dataset) == part_of(split(scan))
    assert part_of(dataset) != part_of(split(scan, seed=1))
    assert dataset.describe() == (
        "84 train, 18 validation, 18 test images, split at random by class, near-duplicates together"
    )


@pytest.mark.parametrize(("images", "train"), [(5, 3), (10, 8), (19, 15), (20, 14)])
def test_most_images_of_a_small_class_are_in_the_training_part(images: int, train: int) -> None:
    dataset = split(synthetic([("a", n) for n in range(images)] + [("b", 100 + n) for n in range(images)]))
    counts = {part: Counter(sample.image.label for sample in samples) for part, samples in dataset.parts.items()}
    evaluated = (images - train) // 2
    assert counts["train"] == {"a": train, "b": train}
    assert counts["validation"] == counts["test"] == {"a": evaluated, "b": evaluated}


@pytest.mark.parametrize("sizes", [[1] * 5, [9, 1, 1, 1, 1], [3, 3, 3, 3, 3], [40, 1, 1, 1, 2]])
def test_every_part_has_every_class_whatever_the_groups(sizes: list[int]) -> None:
    groups = [("a", n) for n, size in enumerate(sizes) for _ in range(size)]
    dataset = split(synthetic(groups + [("b", 100 + n) for n in range(5)]))
    for samples in dataset.parts.values():
        assert {sample.image.label for sample in samples} == {"a", "b"}


def test_the_split_does_not_depend_on_file_names(own_images: Path) -> None:
    before = part_of(split(scan_images(read_dataset(own_images), QUIET)))
    for number, path in enumerate(sorted(own_images.glob("*/*.png"), reverse=True)):
        path.rename(path.with_name(f"renamed-{number}.png"))
    assert part_of(split(scan_images(read_dataset(own_images), QUIET))) == before


def test_a_class_with_too_few_images_is_an_error(own_images: Path) -> None:
    for path in sorted((own_images / "rings").glob("*.png"))[4:]:
        path.write_bytes(b"nothing")
    with pytest.raises(InvalidRequest, match=r"Class 'rings' has 4 different usable images \(8 bad files, 0 copies"):
        split(scan_images(read_dataset(own_images), QUIET))


def test_a_split_of_the_manifest_is_kept_except_for_near_duplicates_of_test_images(
    own_images: Path, save: Save
) -> None:
    shutil.move(own_images / "rings/000.png", own_images / "kept.png")
    pixels = np.asarray(Image.open(own_images / "kept.png"))
    save(own_images / "rings/000.jpg", pixels, quality=90)
    rows = ["path,label,split", "kept.png,rings,train", "rings/000.jpg,rings,test"]
    for path in sorted(own_images.glob("*/*.png")):
        part = ("train", "validation", "test")[int(path.stem) % 3]
        rows.append(f"{path.relative_to(own_images).as_posix()},{path.parent.name},{part}")
    (own_images / "images.csv").write_text("\n".join(rows))
    dataset = split(scan_images(read_dataset(own_images / "images.csv"), QUIET))
    assert [sample.image.name for sample in dataset.straddling] == ["kept.png"]
    assert "rings/000.jpg" in {sample.image.name for sample in dataset.parts["test"]}
    assert {part: len(samples) for part, samples in dataset.parts.items()} == {
        "train": 11,
        "validation": 12,
        "test": 13,
    }
    assert dataset.describe().endswith("split as the data states")


def in_parts(parts: dict[tuple[Part, str], int]) -> DatasetScan:
    """A scan of different images: the number of each part and label."""
    stated = [(part, label) for (part, label), number in parts.items() for _ in range(number)]
    samples = [
        Sample(LabelledImage(Path(f"{n}.png"), f"{n}.png", label, part), f"{n:064x}", n)
        for n, (part, label) in enumerate(stated)
    ]
    return DatasetScan(tuple(samples), (), (), ())


def test_a_part_that_a_stated_split_lacks_is_cut_from_train() -> None:
    dataset = split(in_parts({("train", "a"): 40, ("train", "b"): 20, ("test", "a"): 9, ("test", "b"): 8}))
    counts = {part: Counter(sample.image.label for sample in samples) for part, samples in dataset.parts.items()}
    assert counts == {"train": {"a": 34, "b": 17}, "validation": {"a": 6, "b": 3}, "test": {"a": 9, "b": 8}}
    assert dataset.describe() == (
        "51 train, 9 validation, 17 test images, split as the data states; validation cut from train at random by "
        "class where missing"
    )


def test_a_class_that_a_part_lacks_is_cut_from_train_alone() -> None:
    stated: dict[tuple[Part, str], int] = {(part, "a"): 10 for part in ("train", "validation", "test")}
    dataset = split(in_parts(stated | {("train", "b"): 20, ("validation", "b"): 5}))
    counts = {part: Counter(sample.image.label for sample in samples) for part, samples in dataset.parts.items()}
    assert counts == {"train": {"a": 10, "b": 17}, "validation": {"a": 10, "b": 5}, "test": {"a": 10, "b": 3}}
    assert dataset.cut == ("test",)


def test_all_small_classes_are_listed_at_once() -> None:
    groups = [("a", n) for n in range(8)] + [("b", 10), ("c", 20), ("c", 21), ("d", 30)]
    with pytest.raises(InvalidRequest) as caught:
        split(synthetic(groups))
    assert str(caught.value).startswith(
        "Class 'b' has 1 different usable image (0 bad files, 0 copies or conflicting labels); 'c' has 2 different"
    )
    assert "'d' has 1 different" in str(caught.value)


def test_of_copies_that_of_the_test_part_is_kept(own_images: Path) -> None:
    for part in ("train", "test"):
        for label in ("rings", "stripes"):
            shutil.copytree(own_images / label, own_images / "split" / part / label)
    scan = scan_images(read_dataset(own_images / "split"), QUIET)
    assert {sample.image.part for sample in scan.samples} == {"test"}
    assert len(scan.copies) == 24


def test_boxes_are_cut_out_and_bad_boxes_are_bad_files(
    own_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rows = ["filename,class,xmin,ymin,xmax,ymax", "rings/000.png,cat,2,3,22,19", "rings/001.png,dog,9000,0,9100,50"]
    (own_images / "boxes.csv").write_text("\n".join(rows))
    scan = scan_images(read_dataset(own_images / "boxes.csv", boxes="cut"), QUIET)
    (sample,) = scan.samples
    whole = np.asarray(Image.open(own_images / "rings/000.png").convert("RGB"))
    assert sample.image.name == "rings/000.png#2,3,22,19"
    np.testing.assert_array_equal(np.asarray(Image.open(sample.image.path).convert("RGB")), whole[3:19, 2:22])
    ((image, reason),) = scan.bad
    assert image.name == "rings/001.png"
    assert "outside of the image" in reason


@pytest.mark.parametrize("row", ["0,0,inf,19", "0,-inf,9,19", "-1e999,0,9,9", "0,0,9,1e999"])
def test_a_box_without_end_is_a_bad_file(
    own_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rows = ["filename,class,xmin,ymin,xmax,ymax", f"rings/000.png,cat,{row}", "rings/001.png,dog,0,0,9,9"]
    (own_images / "boxes.csv").write_text("\n".join(rows))
    scan = scan_images(read_dataset(own_images / "boxes.csv", boxes="cut"), QUIET)
    assert [(image.name, "inf" in reason) for image, reason in scan.bad] == [("rings/000.png", True)]


def test_a_file_is_decoded_once_for_all_its_boxes(
    own_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    decoded: list[bytes] = []
    decode_file = crops._decoded

    def counted(data: bytes) -> Image.Image:
        decoded.append(data)
        return decode_file(data)

    monkeypatch.setattr(crops, "_decoded", counted)
    boxes = [(name, "cat" if left < 6 else "dog", left) for name in ("000", "001") for left in range(0, 12, 3)]
    rows = [f"rings/{name}.png,{label},{left},0,{left + 9},19" for name, label, left in boxes]
    (own_images / "boxes.csv").write_text("\n".join(["filename,class,xmin,ymin,xmax,ymax", *rows]))
    dataset = read_dataset(own_images / "boxes.csv", boxes="cut")
    first = scan_images(dataset, QUIET)
    assert len(first.samples) == len(rows)
    assert len(decoded) == 2
    assert scan_images(dataset, QUIET).fingerprint() == first.fingerprint()
    assert len(decoded) == 2  # the parts are in the cache


def test_a_split_of_some_images_only_is_an_error() -> None:
    scan = synthetic([("a", n) for n in range(8)] + [("b", 10 + n) for n in range(8)])
    first = scan.samples[0]
    mixed = (Sample(LabelledImage(first.image.path, "x", "a", "train"), first.digest, 0), *scan.samples[1:])
    with pytest.raises(InvalidRequest, match="Some images have a split and others do not"):
        split(DatasetScan(mixed, (), (), ()))


def test_the_fingerprint_depends_on_contents_and_labels_not_on_names(own_images: Path) -> None:
    before = scan_images(read_dataset(own_images), QUIET).fingerprint()
    (own_images / "rings/000.png").rename(own_images / "rings/zzz.png")
    assert scan_images(read_dataset(own_images), QUIET).fingerprint() == before
    (own_images / "rings/zzz.png").rename(own_images / "stripes/zzz.png")
    assert scan_images(read_dataset(own_images), QUIET).fingerprint() != before

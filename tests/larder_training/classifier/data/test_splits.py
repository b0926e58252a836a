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
from larder_training.classifier.data import near_duplicates
from larder_training.classifier.data.manifests import LabelledImage, read_dataset
from larder_training.classifier.data.near_duplicates import THUMBNAIL, dhash, downscale, group_near_duplicates
from larder_training.classifier.data.scan import DatasetScan, Sample, scan_images
from larder_training.classifier.data.splits import DatasetSplit, split_dataset
from larder_training.reporting.progress import Progress

Draw = Callable[..., NDArray[np.uint8]]
Save = Callable[..., Path]
QUIET = Progress(quiet=True)


def cut(found: DatasetScan, seed: int = 0) -> DatasetSplit:
    return split_dataset(found, validation=0.15, test=0.15, seed=seed)


def places(made: DatasetSplit) -> dict[str, str]:
    return {checked.digest: part for part, photos in made.parts.items() for checked in photos}


def made_up(groups: list[tuple[str, int]]) -> DatasetScan:
    """A scan of photos that need no files: (label, group) each."""
    photos = [
        Sample(LabelledImage(Path(f"{n}.png"), f"{n}.png", label), f"{n:064x}", number)
        for n, (label, number) in enumerate(groups)
    ]
    return DatasetScan(tuple(photos), (), (), ())


def test_bad_files_are_listed_with_their_reason_and_the_others_stay(own_photos: Path) -> None:
    whole = (own_photos / "rings/000.png").read_bytes()
    (own_photos / "rings/000.png").write_bytes(whole[: len(whole) // 2])
    (own_photos / "rings/001.png").write_bytes(b"")
    (own_photos / "stripes/notes.txt").write_text("hello")
    found = scan_images(read_dataset(own_photos), QUIET)
    reasons = {photo.name: reason for photo, reason in found.bad}
    assert set(reasons) == {"rings/000.png", "rings/001.png", "stripes/notes.txt"}
    assert "truncated or damaged" in reasons["rings/000.png"]
    assert "JPEG, PNG, WebP and GIF are supported" in reasons["stripes/notes.txt"]
    assert len(found.samples) == 34


def test_a_file_that_a_manifest_names_and_nobody_has_is_bad(own_photos: Path) -> None:
    source = own_photos / "photos.csv"
    rows = [f"{path.relative_to(own_photos)},{path.parent.name}" for path in sorted(own_photos.glob("*/*.png"))]
    source.write_text("\n".join(["path,label", "missing.png,rings", *rows]))
    found = scan_images(read_dataset(source), QUIET)
    assert [(photo.name, reason) for photo, reason in found.bad] == [
        ("missing.png", "The file cannot be read (No such file or directory). Check the path and the permissions.")
    ]


def test_exact_copies_count_once_and_conflicting_ones_not_at_all(own_photos: Path) -> None:
    shutil.copy(own_photos / "rings/003.png", own_photos / "rings/copy.png")
    shutil.copy(own_photos / "rings/004.png", own_photos / "stripes/wrong.png")
    found = scan_images(read_dataset(own_photos), QUIET)
    assert [photo.name for photo in found.copies] == ["rings/copy.png"]
    assert [photo.name for photo in found.conflicts] == ["rings/004.png", "stripes/wrong.png"]
    assert len(found.samples) == 35


def test_a_recompressed_rescaled_brighter_photo_is_a_near_duplicate_and_another_is_not() -> None:
    # Smooth, as photos are beside these tests' noisy patterns.
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


def test_hashes_that_are_near_do_not_make_duplicates_of_thumbnails_that_differ() -> None:
    # One edge at the same place, the one faint, the other strong: the signs of the differences agree.
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
    for _ in range(60):  # flips a few bits of earlier ones: chains of near hashes
        flips = sum(1 << int(bit) for bit in random.choice(64, random.integers(1, 8), replace=False))
        hashes.append(hashes[random.integers(len(hashes))] ^ flips)
    expected = list(range(len(hashes)))
    for _ in hashes:  # the lowest number spreads through each group
        for a, one in enumerate(hashes):
            for b, other in enumerate(hashes):
                if (one ^ other).bit_count() <= 6:
                    expected[a] = expected[b] = min(expected[a], expected[b])
    assert group_near_duplicates(hashes, np.zeros((len(hashes), 864), np.uint8)).tolist() == expected


def test_near_duplicates_never_straddle_the_split(own_photos: Path, save: Save) -> None:
    for label in ("rings", "stripes", "checks"):
        for path in sorted((own_photos / label).glob("*.png"))[:8]:
            pixels = np.asarray(Image.open(path))
            save(path.with_suffix(".jpg"), pixels, quality=85)
    found = scan_images(read_dataset(own_photos), QUIET)
    assert found.near_duplicates == 24
    for seed in range(5):
        made = cut(found, seed)
        parts: dict[int, set[str]] = {}
        for part, photos in made.parts.items():
            for checked in photos:
                parts.setdefault(checked.group, set()).add(part)
        assert all(len(where) == 1 for where in parts.values())
        assert sum(len(photos) for photos in made.parts.values()) == 60


def test_every_class_is_cut_in_the_same_shares_and_the_seed_decides_which() -> None:
    found = made_up([("a", n) for n in range(100)] + [("b", 100 + n) for n in range(20)])
    made = cut(found)
    counts = {part: Counter(checked.image.label for checked in photos) for part, photos in made.parts.items()}
    assert counts == {"train": {"a": 70, "b": 14}, "validation": {"a": 15, "b": 3}, "test": {"a": 15, "b": 3}}
    assert places(made) == places(cut(found))
    assert places(made) != places(cut(found, seed=1))
    assert made.describe() == (
        "84 train, 18 validation, 18 test photos, split at random by class, near-duplicates together"
    )


@pytest.mark.parametrize(("photos", "train"), [(5, 3), (10, 8), (19, 15), (20, 14)])
def test_of_few_photos_most_are_learnt_from(photos: int, train: int) -> None:
    made = cut(made_up([("a", n) for n in range(photos)] + [("b", 100 + n) for n in range(photos)]))
    counts = {part: Counter(checked.image.label for checked in photos) for part, photos in made.parts.items()}
    judged = (photos - train) // 2
    assert counts["train"] == {"a": train, "b": train}
    assert counts["validation"] == counts["test"] == {"a": judged, "b": judged}


@pytest.mark.parametrize("sizes", [[1] * 5, [9, 1, 1, 1, 1], [3, 3, 3, 3, 3], [40, 1, 1, 1, 2]])
def test_every_part_gets_every_class_however_the_groups_lie(sizes: list[int]) -> None:
    groups = [("a", n) for n, size in enumerate(sizes) for _ in range(size)]
    made = cut(made_up(groups + [("b", 100 + n) for n in range(5)]))
    for photos in made.parts.values():
        assert {checked.image.label for checked in photos} == {"a", "b"}


def test_renaming_files_changes_no_photo_of_a_part(own_photos: Path) -> None:
    before = places(cut(scan_images(read_dataset(own_photos), QUIET)))
    for number, path in enumerate(sorted(own_photos.glob("*/*.png"), reverse=True)):
        path.rename(path.with_name(f"renamed-{number}.png"))
    assert places(cut(scan_images(read_dataset(own_photos), QUIET))) == before


def test_a_class_with_too_few_photos_stops_the_training_and_says_why(own_photos: Path) -> None:
    for path in sorted((own_photos / "rings").glob("*.png"))[4:]:
        path.write_bytes(b"nothing")
    with pytest.raises(InvalidRequest, match=r"Class 'rings' has 4 different photos .*\(8 files are bad"):
        cut(scan_images(read_dataset(own_photos), QUIET))


def test_a_stated_split_is_kept_but_for_what_it_would_leak(own_photos: Path, save: Save) -> None:
    shutil.move(own_photos / "rings/000.png", own_photos / "kept.png")
    pixels = np.asarray(Image.open(own_photos / "kept.png"))
    save(own_photos / "rings/000.jpg", pixels, quality=90)
    rows = ["path,label,split", "kept.png,rings,train", "rings/000.jpg,rings,test"]
    for path in sorted(own_photos.glob("*/*.png")):
        part = ("train", "validation", "test")[int(path.stem) % 3]
        rows.append(f"{path.relative_to(own_photos).as_posix()},{path.parent.name},{part}")
    (own_photos / "photos.csv").write_text("\n".join(rows))
    made = cut(scan_images(read_dataset(own_photos / "photos.csv"), QUIET))
    assert [checked.image.name for checked in made.straddling] == ["kept.png"]
    assert "rings/000.jpg" in {checked.image.name for checked in made.parts["test"]}
    assert {part: len(photos) for part, photos in made.parts.items()} == {"train": 11, "validation": 12, "test": 13}
    assert made.describe().endswith("split as the manifest states it")


def test_a_split_of_some_photos_alone_is_refused() -> None:
    found = made_up([("a", n) for n in range(8)] + [("b", 10 + n) for n in range(8)])
    first = found.samples[0]
    mixed = (Sample(LabelledImage(first.image.path, "x", "a", "train"), first.digest, 0), *found.samples[1:])
    with pytest.raises(InvalidRequest, match="Some photos have a split and some have none"):
        cut(DatasetScan(mixed, (), (), ()))


def test_the_fingerprint_is_of_contents_and_labels_not_of_names(own_photos: Path) -> None:
    before = scan_images(read_dataset(own_photos), QUIET).fingerprint()
    (own_photos / "rings/000.png").rename(own_photos / "rings/zzz.png")
    assert scan_images(read_dataset(own_photos), QUIET).fingerprint() == before
    (own_photos / "rings/zzz.png").rename(own_photos / "stripes/zzz.png")
    assert scan_images(read_dataset(own_photos), QUIET).fingerprint() != before

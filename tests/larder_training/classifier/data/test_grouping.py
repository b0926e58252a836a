"""Near-duplicates stay together; images of one fixed camera look as similar and do not."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from larder.classifier.image_decoding import decode
from larder.errors import InvalidRequest
from larder_training.classifier.data import grouping
from larder_training.classifier.data.grouping import Grouping, group_copies
from larder_training.classifier.data.manifests import ImageDataset, read_dataset
from larder_training.classifier.data.near_duplicates import THUMBNAIL, dhash, downscale
from larder_training.classifier.data.scan import scan_images
from larder_training.classifier.data.splits import split_dataset
from larder_training.classifier.data.stated_groups import stated_groups
from larder_training.reporting.progress import Progress

Pixels = NDArray[np.uint8]
Save = Callable[..., Path]
QUIET = Progress(quiet=True)
SIZE = 96


class Picked(NamedTuple):
    """An image with its label, and the exposure that it is a copy of."""

    file: bytes
    label: str
    exposure: int


def encoded(pixels: NDArray[np.generic] | Image.Image, quality: int = 92) -> bytes:
    buffer = BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels.astype(np.uint8))
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def scene(random: np.random.Generator) -> NDArray[np.float64]:
    """Smooth waves of random direction and colour, as large shapes of an image are."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    pixels = np.full((SIZE, SIZE, 3), 127.0)
    for _ in range(6):
        across, down = random.uniform(-9, 9, 2)
        pixels += 30 * np.sin(across * x + down * y + random.uniform(0, 6))[..., None] * random.uniform(-1, 1, 3)
    return pixels.clip(0, 255)


def expose(random: np.random.Generator, place: NDArray[np.float64], *, scratch: bool, play: float) -> Pixels:
    """A further image of one camera: the place with some play, other light and noise, and perhaps a scratch."""
    steps = random.normal(0, play, 2)
    down, right = np.gradient(place, axis=0), np.gradient(place, axis=1)
    pixels = place + steps[0] * down + steps[1] * right + random.normal(0, 6)
    if scratch:
        row, column = random.integers(10, 50, 2)
        for step in range(40):
            pixels[row + step // 2, column + step : column + step + 3] = 245
    noisy: Pixels = (pixels + random.normal(0, 5, pixels.shape)).clip(0, 255).astype(np.uint8)
    return noisy


def camera(seed: int, counts: dict[str, int], play: float = 0.3) -> list[Picked]:
    random = np.random.default_rng(seed)
    place = scene(random)
    labels = [label for label, count in counts.items() for _ in range(count)]
    return [
        Picked(encoded(expose(random, place, scratch=label == "scratch", play=play)), label, number)
        for number, label in enumerate(labels)
    ]


def with_copies(seed: int, classes: int = 3, each: int = 10) -> list[Picked]:
    """Different images, half of them with a smaller, a stronger compressed and a slightly cropped copy."""
    random, images = np.random.default_rng(seed), []
    for number in range(classes * each):
        image = Image.fromarray((scene(random) + random.normal(0, 4, (SIZE, SIZE, 3))).clip(0, 255).astype(np.uint8))
        images.append(Picked(encoded(image), f"class {number % classes}", number))
        if number < classes * each / 2:
            copies = (
                encoded(image, quality=45),
                encoded(image.resize((60, 60), Image.Resampling.BICUBIC)),
                encoded(image.crop((1, 0, SIZE, SIZE - 2))),
            )
            images += [Picked(copy, f"class {number % classes}", number) for copy in copies]
    return images


def grouped(images: list[Picked]) -> Grouping:
    small = [decode(image.file, THUMBNAIL) for image in images]
    hashes = np.array([dhash(thumbnail) for thumbnail in small], np.uint64)
    return group_copies([image.label for image in images], hashes, np.stack([downscale(each) for each in small]))


def torn(images: list[Picked], found: Grouping) -> int:
    """The number of exposures whose copies are in several groups."""
    groups: dict[int, set[int]] = {}
    for image, group in zip(images, found.groups.tolist(), strict=True):
        groups.setdefault(image.exposure, set()).add(group)
    return sum(len(several) > 1 for several in groups.values())


@pytest.mark.parametrize(
    ("counts", "play"),
    [
        ({"ok": 24, "scratch": 24}, 0.3),
        ({"ok": 24, "scratch": 24}, 1.5),
        ({"ok": 90, "scratch": 6}, 0.3),  # the labels of the group are not mixed, but it fills both classes
        ({"ok": 12, "scratch": 5, "dent": 9}, 0.0),
    ],
)
def test_images_of_a_fixed_camera_do_not_stay_together(counts: dict[str, int], play: float) -> None:
    images = camera(1, counts, play)
    found = grouped(images)
    assert sum(map(len, found.alike)) > 0.7 * len(images)
    for label, count in counts.items():
        own = [group for image, group in zip(images, found.groups.tolist(), strict=True) if image.label == label]
        assert len(set(own)) > 0.8 * count


def test_a_class_with_a_background_of_its_own_does_not_stay_together() -> None:
    images = [image for seed, label in enumerate(("left", "right", "front")) for image in camera(seed, {label: 20})]
    found = grouped(images)
    assert sorted(map(len, found.alike)) == [20, 20, 20]
    assert len(set(found.groups.tolist())) > 54


def test_copies_stay_together_even_with_wrong_labels() -> None:
    images = with_copies(3)
    found = grouped(images)
    assert found.alike == ()
    assert torn(images, found) == 0
    assert len(set(found.groups.tolist())) == 30
    wrong = [*images]
    for position in (1, 9):
        wrong[position] = images[position]._replace(
            label="class 2" if images[position].label != "class 2" else "class 1"
        )
    assert grouped(wrong).groups.tolist() == found.groups.tolist()
    assert grouped(wrong).alike == ()


def test_frames_of_a_burst_stay_together() -> None:
    random, images = np.random.default_rng(5), []
    for number in range(24):
        place = scene(random)
        images += [
            Picked(encoded(expose(random, place, scratch=False, play=0.3)), f"class {number % 3}", number)
            for _ in range(5)
        ]
    found = grouped(images)
    assert found.alike == ()
    assert torn(images, found) == 0
    assert len(set(found.groups.tolist())) == 24


def test_bursts_of_a_fixed_camera_stay_together() -> None:
    random = np.random.default_rng(6)
    place, images = scene(random), []
    for number in range(24):
        label = "scratch" if number % 2 else "ok"
        pose = expose(random, place, scratch=label == "scratch", play=1.5).astype(float)
        images += [
            Picked(encoded((pose + random.normal(0, 3, pose.shape)).clip(0, 255)), label, number) for _ in range(4)
        ]
    found = grouped(images)
    assert found.alike
    assert torn(images, found) <= 4
    sizes = Counter(found.groups.tolist())
    assert len(sizes) >= 22  # hardly any two bursts are one group


def test_many_small_groups_of_mixed_labels_are_no_evidence_of_copies() -> None:
    # Each pair is too small to separate a label error from a common background; sixty pairs are not.
    images = [
        image._replace(label="ab"[(number + seed) % 2], exposure=seed)
        for seed in range(60)
        for number, image in enumerate(camera(seed, {"a": 2}))
    ]
    found = grouped(images)
    assert len(found.alike) > 50
    assert len(set(found.groups.tolist())) > 110


def test_a_group_that_is_too_large_to_search_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    images = camera(1, {"ok": 20, "scratch": 20}, 1.5)
    monkeypatch.setattr(grouping, "MAX_IMAGES", 10)
    assert len(set(grouped(images).groups.tolist())) == 40


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    for number, image in enumerate(camera(2, {"ok": 16, "scratch": 16})):
        path = tmp_path / "parts" / image.label / f"{number:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image.file)
    return tmp_path / "parts"


def test_images_that_look_alike_are_split_and_reported(parts: Path) -> None:
    scan = scan_images(read_dataset(parts), QUIET)
    split = split_dataset(scan, validation=0.15, test=0.15, seed=0)
    assert {sample.image.label for sample in split.parts["test"]} == {"ok", "scratch"}
    (sentence,) = scan.describe_alike()
    assert sentence.startswith("31 images of ok, scratch look alike, as images of a fixed camera do")
    assert "--groups" in sentence


def listed(parts: Path, name: str = "session") -> Path:
    """A CSV list of the images with a session of four images each; the last image has none."""
    images = read_dataset(parts)
    rows = [f"{image.name},{image.label},{number // 4}" for number, image in enumerate(images[:-1])]
    path = parts / "list.csv"
    path.write_text("\n".join([f"path,label,{name}", *rows, f"{images[-1].name},{images[-1].label},"]))
    return path


def test_groups_are_those_of_a_column(parts: Path) -> None:
    images = read_dataset(listed(parts))
    stated = stated_groups("session", images)
    assert stated is not None
    assert stated.column == "session"
    scan = scan_images(images, QUIET, stated)
    assert scan.alike == ()
    assert scan.near_duplicates == 0
    assert stated.describe(32) == (
        "8 groups: images with the same session together; 1 image has no group and counts by itself"
    )
    sessions = {(sample.group, str(sample.image.side.get("session"))) for sample in scan.samples}
    assert len(sessions) == len({group for group, _ in sessions}) == 9
    with pytest.raises(InvalidRequest, match=r"'ok' has 4 groups of usable images .* state other groups with --groups"):
        split_dataset(scan, validation=0.15, test=0.15, seed=0)


def test_groups_are_those_of_a_file(parts: Path, tmp_path: Path) -> None:
    images = read_dataset(parts)
    rows = [f"{image.name},{number % 12}" for number, image in enumerate(images)]
    rows[3] = f"parts/{rows[3]}"  # relative to the file instead of the data set
    file = tmp_path / "groups.csv"
    rows = [row.replace(",", ";") for row in rows]
    file.write_text("\n".join(["Path; Group", *rows]), encoding="utf-16")  # as Excel saves it
    scan = scan_images(images, QUIET, stated_groups(str(file), images))
    assert len({sample.group for sample in scan.samples}) == 12
    split = split_dataset(scan, validation=0.15, test=0.15, seed=0)
    parts_of = {sample.group: part for part, samples in split.parts.items() for sample in samples}
    assert all(parts_of[sample.group] == part for part, samples in split.parts.items() for sample in samples)
    assert split.describe().endswith("split at random by class, groups of groups.csv together")


def test_boxes_of_one_image_stay_together() -> None:
    labels = ["a", "b"] * 12
    found = Grouping(np.array([0, 1, 0, *range(3, 24)]))  # the first and the third box are copies
    sources = [*(f"{number // 4}.jpg" for number in range(23)), None]
    joined = grouping.join_sources(found, labels, sources)
    assert joined.groups.tolist() == [0] * 4 + [4] * 4 + [8] * 4 + [12] * 4 + [16] * 4 + [20] * 3 + [23]
    # With two images, a class would have two groups: the boxes are split, and the user reads why.
    alone = grouping.join_sources(found, labels, [f"{number // 12}.jpg" for number in range(24)])
    assert alone.groups.tolist() == found.groups.tolist()
    (note,) = alone.notes
    assert note.startswith("The boxes of a, b come from fewer than 5 images")
    assert grouping.join_sources(found, labels, [None] * 24) is found


def test_stated_groups_hold_for_the_boxes_of_an_image(parts: Path) -> None:
    boxed = [replace(image, box=(0, 0, 40 + number, 40)) for number, image in enumerate(read_dataset(parts))]
    dataset = ImageDataset(tuple(boxed))
    file = parts / "groups.csv"
    file.write_text("\n".join(["path,group", *(f"{image.name},{n % 12}" for n, image in enumerate(boxed))]))
    scan = scan_images(dataset, QUIET, stated_groups(str(file), dataset))
    assert len({sample.group for sample in scan.samples}) == 12


def test_boxes_of_an_image_without_a_stated_group_stay_together(parts: Path) -> None:
    images = read_dataset(parts)
    dataset = ImageDataset(tuple(replace(image, box=(0, 0, side, 40)) for image in images for side in (40, 50)))
    file = parts / "groups.csv"
    file.write_text(f"path,group\n{images[0].name},1\n{images[1].name},1\n")
    scan = scan_images(dataset, QUIET, stated_groups(str(file), dataset))
    assert len({sample.group for sample in scan.samples}) == len(images) - 1
    off = scan_images(dataset, QUIET, stated_groups("none", dataset))
    assert len({sample.group for sample in off.samples}) == 2 * len(images)


def test_groups_can_be_switched_off(save: Save, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(10):
        place = scene(random)
        save(tmp_path / "ab"[number % 2] / f"{number}.png", place.astype(np.uint8))
        save(tmp_path / "ab"[number % 2] / f"{number}.jpg", place.astype(np.uint8), quality=80)
    images = read_dataset(tmp_path)
    assert len({sample.group for sample in scan_images(images, QUIET).samples}) == 10
    scan = scan_images(images, QUIET, stated_groups("none", images))
    assert len({sample.group for sample in scan.samples}) == 20


def test_groups_that_do_not_exist_are_errors_with_a_remedy(parts: Path, tmp_path: Path) -> None:
    images = read_dataset(listed(parts))
    with pytest.raises(
        InvalidRequest, match=r"'patient' is neither a column of the list \(it has session\) nor a file"
    ):
        stated_groups("patient", images)
    file = tmp_path / "groups.csv"
    file.write_text("path,patient\nok/00.jpg,1\n")
    with pytest.raises(InvalidRequest, match="must have the columns path and group"):
        stated_groups(str(file), images)
    file.write_text("path,group\nok/00.jpg,1\nok/99.jpg,1\n")
    with pytest.raises(InvalidRequest, match=r"groups.csv line 3: 'ok/99.jpg' is not an image of the data set"):
        stated_groups(str(file), images)

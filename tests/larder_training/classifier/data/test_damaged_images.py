"""200 image files of every kind that Pillow writes and pi-heif reads, most of them damaged: each is used or named."""

import resource
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.paths import ROOT

from larder.classifier.image_decoding import decode
from larder.errors import RequestError
from larder.release.serving import ImageSpec
from larder_training.classifier.data.manifests import read_dataset
from larder_training.classifier.data.scan import scan_images
from larder_training.reporting.progress import Progress

COUNT: Final = 200
READ: Final = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "MPO")
OTHERS: Final = ("BMP", "DIB", "EPS", "ICO", "IM", "JPEG2000", "PCX", "PDF", "PPM", "QOI", "SGI", "TGA", "TIFF", "DDS")
MODES: Final = ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16")
HEIC: Final = ROOT / "tests/larder/classifier/image_decoding/heic"
MEMORY: Final = 400_000  # KiB that all files together may add at the peak


def encoded(random: np.random.Generator, kind: str) -> bytes:
    """An image of this kind, in a mode that the kind has."""
    pixels = Image.fromarray(random.integers(0, 256, (24, 32, 3), np.uint8))
    for mode in (*random.permutation(MODES), "RGB"):
        file = BytesIO()
        try:
            pixels.convert("L" if mode == "I;16" else str(mode)).convert(str(mode)).save(file, kind)
        except (OSError, ValueError, KeyError):
            continue
        return file.getvalue()
    raise AssertionError(kind)


def damaged(random: np.random.Generator, data: bytes) -> bytes:
    """The data, cut, with other bytes, with large numbers in the header, doubled, or as they are."""
    changed, at = bytearray(data), int(random.integers(0, len(data)))
    match int(random.integers(0, 8)):
        case 0:
            return data[:at]
        case 1:
            for place in random.integers(0, len(data), 8):
                changed[place] ^= int(random.integers(1, 256))
        case 2:
            start = int(random.integers(4, min(200, len(data))))
            changed[start : start + 4] = b"\xff\xff\xff\x7f"
        case 3:
            start = int(random.integers(4, min(64, len(data))))
            changed[start : start + 2] = b"\xff\xff"
        case 4:
            return bytes(len(data))
        case 5:
            return data[:at] + data
        case 6:
            return data[: len(data) // 2] + bytes(len(data) // 2)
        case _:
            pass
    return bytes(changed)


def files() -> Iterator[tuple[str, bytes]]:
    random = np.random.default_rng(20)
    phones = [path.read_bytes() for path in sorted(HEIC.glob("*.heic"))]
    for number in range(COUNT):
        kind = (*READ, "HEIC", *OTHERS)[number % (len(READ) + 1 + len(OTHERS) if number % 3 == 0 else len(READ) + 1)]
        whole = phones[number % len(phones)] if kind == "HEIC" else encoded(random, kind)
        suffix = random.choice(["jpg", "png", "heic", "avif", "webp", "gif", "JPEG", "bmp"])  # right or wrong
        yield f"{number:03d}-{kind}.{suffix}", whole if number % 5 == 0 else damaged(random, whole)


def decoded(data: bytes) -> NDArray[np.uint8] | str:
    try:
        return decode(data, ImageSpec(20, 16))
    except RequestError as error:
        return str(error)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("damaged")
    for number, (name, data) in enumerate(files()):
        path = root / ("cat" if number % 2 else "dog") / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return root


def test_serving_decodes_or_says_why_not() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    usable = 0
    for name, data in files():
        result = decoded(data)
        if isinstance(result, str):
            assert result.endswith("."), name
            assert 30 < len(result) < 300, name
        else:
            assert result.shape == (16, 20, 3), name
            usable += 1
    assert COUNT / 4 < usable < COUNT
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY


def test_a_scan_uses_or_names_each_file(folder: Path) -> None:
    scan = scan_images(read_dataset(folder), Progress(quiet=True))
    names = [image.name for image, _ in scan.bad] + [image.name for image in (*scan.copies, *scan.conflicts)]
    assert sorted(names + [sample.image.name for sample in scan.samples]) == sorted(
        str(path.relative_to(folder)) for path in folder.glob("*/*")
    )
    assert all(reason for _, reason in scan.bad)
    undamaged = {sample.image.name for sample in scan.samples if int(sample.image.name.split("/")[1][:3]) % 5 == 0}
    assert {"PNG", "WEBP", "AVIF", "HEIC", "MPO"} & {name.split("-")[1].split(".")[0] for name in undamaged}

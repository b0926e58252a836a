"""HEIC and AVIF: pixels, orientation, depth, transparency, and the reasons of what does not decode."""

import struct
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from larder.classifier import image_decoding
from larder.classifier.image_decoding import decode
from larder.errors import TooLarge, UnreadableImage, UnsupportedMedia
from larder.release.serving import ImageSpec

HEIC = Path(__file__).parent / "heic"
WHOLE = ImageSpec(64, 48, "stretch")
RED, GREEN, BLUE, YELLOW = (200, 40, 40), (40, 180, 60), (40, 60, 200), (230, 220, 60)
GREY = tuple((round(0.299 * r + 0.587 * g + 0.114 * b),) * 3 for r, g, b in (RED, GREEN, BLUE, YELLOW))


def heic(name: str) -> bytes:
    return (HEIC / f"{name}.heic").read_bytes()


def quarters(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The colours in the middle of the quarters."""
    height, width = pixels.shape[:2]
    rows, columns = (height // 4, 3 * height // 4), (width // 4, 3 * width // 4)
    return np.array([pixels[row, column] for row in rows for column in columns], np.int64)


def drawn() -> Image.Image:
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:24, :32], pixels[:24, 32:], pixels[24:, :32], pixels[24:, 32:] = RED, GREEN, BLUE, YELLOW
    return Image.fromarray(pixels)


def avif(image: Image.Image, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, "AVIF", quality=95, subsampling="4:4:4", **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("quadrants", (RED, GREEN, BLUE, YELLOW)),
        ("ten_bits", (RED, GREEN, BLUE, YELLOW)),
        ("grey", GREY),
        ("transparent", ((255, 255, 255), GREEN, BLUE, YELLOW)),
    ],
)
def test_heic_keeps_the_pixels(name: str, expected: tuple[tuple[int, ...], ...]) -> None:
    assert np.abs(quarters(decode(heic(name), WHOLE)) - np.array(expected)).max() <= 3


def test_a_turned_heic_is_upright_once() -> None:
    tall = decode(heic("turned"), ImageSpec(48, 64))  # not cropped: the image is as tall as that
    assert np.abs(quarters(tall) - np.array((BLUE, RED, YELLOW, GREEN))).max() <= 3


def test_avif_keeps_pixels_orientation_and_transparency() -> None:
    assert np.abs(quarters(decode(avif(drawn()), WHOLE)) - np.array((RED, GREEN, BLUE, YELLOW))).max() <= 4
    exif = Image.Exif()
    exif[0x0112] = 6
    tall = decode(avif(drawn(), exif=exif), ImageSpec(48, 64))
    assert np.abs(quarters(tall) - np.array((BLUE, RED, YELLOW, GREEN))).max() <= 4
    clear = drawn().convert("RGBA")
    clear.putalpha(0)
    assert (decode(avif(clear), WHOLE) == 255).all()


def test_the_first_frame_of_an_animation_counts() -> None:
    moving = avif(drawn(), save_all=True, append_images=[drawn().rotate(180)])
    assert np.abs(quarters(decode(moving, WHOLE)) - np.array((RED, GREEN, BLUE, YELLOW))).max() <= 4


def test_a_file_of_the_general_brand_is_read_by_its_coding() -> None:
    """ "mif1" comes first in files of some cameras; what follows in the same box says which coding it is."""
    for data, own in ((heic("quadrants"), b"heic"), (avif(drawn()), b"avif")):
        size = int.from_bytes(data[:4], "big")
        general = data[:8] + b"mif1" + data[12:16] + own.ljust(4) + data[20:size] + data[size:]
        assert np.abs(quarters(decode(general, WHOLE)) - np.array((RED, GREEN, BLUE, YELLOW))).max() <= 4


@pytest.mark.parametrize("data", [heic("quadrants"), avif(drawn())], ids=["heic", "avif"])
def test_the_size_in_the_header_is_checked_first(data: bytes) -> None:
    at = data.index(b"ispe") + 8  # width and height
    large = data[:at] + struct.pack(">II", 60_000, 60_000) + data[at + 8 :]
    with pytest.raises((TooLarge, UnreadableImage), match=r"60000 x 60000|damaged"):
        decode(large, WHOLE)
    with pytest.raises(TooLarge, match="64 x 48"):
        decode(data, WHOLE, max_pixels=1000)


@pytest.mark.parametrize("data", [heic("quadrants"), avif(drawn())], ids=["heic", "avif"])
@pytest.mark.parametrize("part", [0.1, 0.4, 0.9])
def test_half_a_file_is_refused(data: bytes, part: float) -> None:
    with pytest.raises(UnreadableImage, match="send the whole file"):
        decode(data[: int(part * len(data))], WHOLE)


def test_damaged_metadata_do_not_matter() -> None:
    """pi-heif 1.4 crashes the process when it reads them."""
    assert decode(heic("damaged_metadata"), WHOLE).shape == (48, 64, 3)


def test_the_absence_of_a_decoder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "larder.classifier.heif", raising=False)
    monkeypatch.setitem(sys.modules, "_pi_heif", None)
    with pytest.raises(UnsupportedMedia, match="HEIC image needs the package pi-heif"):
        decode(heic("quadrants"), WHOLE)
    monkeypatch.setattr("PIL.AvifImagePlugin.SUPPORTED", False)
    with pytest.raises(UnsupportedMedia, match="AVIF image needs a Pillow with AVIF"):
        decode(avif(drawn()), WHOLE)


def test_a_jpeg_imports_neither_heic_nor_colour_management() -> None:
    file = BytesIO()
    drawn().save(file, "JPEG")
    program = (
        "import sys\n"
        "from larder.classifier.image_decoding import decode\n"
        "from larder.release.serving import ImageSpec\n"
        "decode(sys.stdin.buffer.read(), ImageSpec(8, 8))\n"
        "print([name for name in ('_pi_heif', 'PIL.AvifImagePlugin', 'PIL.ImageCms') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], input=file.getvalue(), capture_output=True, check=True)  # noqa: S603 - our own program
    assert done.stdout.strip() == b"[]"


def test_the_supported_formats_are_named() -> None:
    assert image_decoding.FORMATS == "JPEG, PNG, WebP, GIF, HEIC and AVIF"

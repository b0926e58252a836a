"""Files that are not images, are damaged or are attacks: each is refused with its own error, at little cost."""

import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from larder.classifier.image_decoding import decode
from larder.errors import InvalidRequest, RequestError, TooLarge, UnreadableImage, UnsupportedMedia
from larder.release.serving import ImageSpec

Encode = Callable[..., bytes]

SPEC = ImageSpec(16, 12)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """An 8-bit grey PNG whose header states that size, with arbitrary data."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """A small grey JPEG whose header states that size."""
    file = BytesIO()
    Image.new("L", (8, 8)).save(file, "JPEG")
    data = bytearray(file.getvalue())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def gif(width: int, height: int, frame: tuple[int, int]) -> bytes:
    return (
        b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
        + b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02\x4c\x01\0;"
    )  # fmt: skip


def webp(width: int, height: int) -> bytes:
    """A small lossless image on a canvas of that size."""
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "WEBP", lossless=True)
    canvas = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + canvas + file.getvalue()[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    ("data", "stated"),
    [
        (png(100_000, 100_000, chunk(b"IDAT", zlib.compress(bytes(1000)))), "100000 x 100000 = 10000000000"),
        (png(2**31 - 1, 1, chunk(b"IDAT", zlib.compress(bytes(1000)))), "2147483647 x 1"),
        (png(70_000, 1, chunk(b"IDAT", zlib.compress(bytes(1000)))), "65535 per side"),
        (jpeg(65_500, 65_500), "65500 x 65500"),
        (jpeg(10_000, 10_000), "10000 x 10000 = 100000000 pixels; the limit is 50000000"),  # Pillow only warns about it
        (gif(65_535, 65_535, (1, 1)), "pixels"),
        (gif(1, 1, (65_535, 65_535)), "pixels"),  # a frame that grows its canvas
        (gif(1, 1, (9000, 9000)), "9000 x 9000"),
    ],
)
def test_a_decompression_bomb_is_refused_by_its_header(data: bytes, stated: str) -> None:
    with pytest.raises(TooLarge, match=stated) as caught:
        decode(data, SPEC)
    assert caught.value.status == 413
    assert any(word in str(caught.value) for word in ("scale it down", "Send a smaller"))


def test_an_image_of_one_column_does_not_grow_while_it_is_resampled() -> None:
    # GIVEN 1 x 65,535 pixels to be stretched to 4,096 x 16, and too little memory for 4,096 x 65,535 between the two
    program = """
import resource
from larder.classifier.image_decoding import decode
from larder.release.serving import ImageSpec
from pathlib import Path
import sys
spec = ImageSpec(4096, 16, "stretch")
small, large = sys.stdin.buffer.read().split(b"--next--")
decode(small, spec)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 100 * 2**20,) * 2)
assert decode(large, spec).shape == (16, 4096, 3)
"""
    images = [png(1, height, chunk(b"IDAT", zlib.compress(bytes(2 * height)))) for height in (1, 65_535)]
    subprocess.run([sys.executable, "-c", program], input=b"--next--".join(images), check=True)  # noqa: S603 - our own program


@pytest.mark.parametrize("size", [(16_384, 16_384), (2**24, 255)])
def test_a_large_webp_canvas_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises((TooLarge, UnreadableImage)):
        decode(webp(*size), SPEC)


def test_the_limit_is_a_parameter() -> None:
    data = png(10, 10, chunk(b"IDAT", zlib.compress(bytes(110))))
    assert decode(data, SPEC, max_pixels=100).shape == (12, 16, 3)
    with pytest.raises(TooLarge, match="10 x 10 = 100 pixels; the limit is 99 pixels"):
        decode(data, SPEC, max_pixels=99)


def test_compressed_text_in_a_png_is_limited() -> None:
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9))
    with pytest.raises(UnreadableImage):
        decode(png(10, 10, bomb, chunk(b"IDAT", zlib.compress(bytes(110)))), SPEC)


def test_a_jpeg_with_thousands_of_scans_is_refused_before_it_is_decoded(image: Image.Image, encode: Encode) -> None:
    data = encode(image, "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    assert decode(data[:-2] + scan * 20 + data[-2:], SPEC).shape == (12, 16, 3)
    with pytest.raises(UnreadableImage, match="scans"):
        decode(data[:-2] + scan * 5000 + data[-2:], SPEC)


def test_scan_markers_after_a_jpegs_end_or_in_comments_do_not_count(image: Image.Image, encode: Encode) -> None:
    data = encode(image, "JPEG", comment=b"\xff\xda\0\2" * 500)
    assert decode(data + b"\0\2" + b"\xff\xda\0\2" * 500, SPEC).shape == (12, 16, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_truncated_data_are_refused_wherever_they_end(encode: Encode, kind: str) -> None:
    rng = np.random.default_rng(0)
    noisy = Image.fromarray(rng.integers(0, 256, (64, 96, 3), np.uint8))
    data = encode(noisy, kind)
    for part in (0.02, 0.1, 0.5, 0.9):
        with pytest.raises((UnreadableImage, UnsupportedMedia)) as caught:
            decode(data[: int(len(data) * part)], SPEC)
        assert caught.value.status == (415 if isinstance(caught.value, UnsupportedMedia) else 422)
        if part >= 0.5:
            assert isinstance(caught.value, UnreadableImage)
            assert "send the whole file" in str(caught.value)


def test_a_png_with_a_wrong_checksum_is_refused(image: Image.Image, encode: Encode) -> None:
    data = bytearray(encode(image, "PNG"))
    data[len(data) // 2] ^= 1
    with pytest.raises(UnreadableImage):
        decode(bytes(data), SPEC)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"BM" + bytes(60), "BMP"),
        (b"II*\0" + bytes(60), "TIFF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp41mp42", "a video"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b'{"image": ""}', "JSON"),
        (b"hello", "of an unknown format"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "of an unknown format"),
        (b"\xff\xd8", "of an unknown format"),
    ],
)
def test_another_format_is_named_with_the_supported_ones(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedMedia, match=f"{name}.*JPEG, PNG, WebP, GIF, HEIC and AVIF"):
        decode(data, SPEC)


def test_an_empty_file_is_an_invalid_request() -> None:
    with pytest.raises(InvalidRequest, match="The image is empty: send"):
        decode(b"", SPEC)


def encoded(kind: str) -> bytes:
    file = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    ramp = np.arange(24 * 20 * 3).reshape(20, 24, 3).astype(np.uint8)
    options = {"exif": exif} if kind != "GIF" else {}
    Image.fromarray(ramp).save(file, kind, **options)
    return file.getvalue()


SAMPLES = {kind: encoded(kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "AVIF")}
MAGIC = {kind: data[:12] for kind, data in SAMPLES.items()}


def decodes_or_refuses(data: bytes) -> None:
    try:
        pixels = decode(data, SPEC, max_pixels=1_000_000)
    except RequestError as error:
        message = str(error)
    else:
        assert pixels.shape == (12, 16, 3)
        assert pixels.dtype == np.uint8
        return
    assert len(message) < 400
    assert message.endswith(".")
    assert "/" not in message
    assert " object at 0x" not in message


@given(kind=st.sampled_from(sorted(SAMPLES)), tail=st.binary(max_size=300))
def test_random_bytes_after_a_valid_header_decode_or_are_refused(kind: str, tail: bytes) -> None:
    decodes_or_refuses(MAGIC[kind] + tail)


@given(data=st.binary(max_size=100))
def test_random_bytes_are_refused(data: bytes) -> None:
    decodes_or_refuses(data)


@given(
    kind=st.sampled_from(sorted(SAMPLES)),
    changes=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.integers(0, 5000),
    repeat=st.booleans(),
)
@settings(max_examples=500)
def test_damaged_images_decode_or_are_refused(
    kind: str, changes: list[tuple[int, int]], cut: int, repeat: bool
) -> None:
    data = bytearray(SAMPLES[kind])
    for position, value in changes:
        data[position % len(data)] = value
    if repeat:
        start = cut % len(data)
        data[start:start] = data[start : start + 40]
    decodes_or_refuses(bytes(data))
    if kind == "PNG":
        decodes_or_refuses(_with_correct_checksums(bytes(data)))


def _with_correct_checksums(data: bytes) -> bytes:
    """The same chunks with correct checksums, so that the damage reaches the decoder."""
    repaired, position = data[:8], 8
    while position + 8 <= len(data):
        length = min(struct.unpack(">I", data[position : position + 4])[0], len(data) - position - 8)
        content = data[position + 8 : position + 8 + length]
        repaired += chunk(data[position + 4 : position + 8], content)
        position += 12 + length
    return repaired


def test_threads_leave_the_warning_filters_of_the_process_unchanged(image: Image.Image, encode: Encode) -> None:
    data = encode(image, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")
    before, interval = list(warnings.filters), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: decode(data, SPEC), range(400)))
    finally:
        sys.setswitchinterval(interval)
    assert list(warnings.filters) == before

"""Decoding valid images: geometry, colour and transparency of each format."""

import struct
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from tests.paths import SHARED

from larder.classifier import image_decoding
from larder.classifier.image_decoding import decode
from larder.release.serving import FITS, RESAMPLINGS, Fit, ImageSpec, Resampling

Encode = Callable[..., bytes]

IMAGES = SHARED / "photos10/test"
WHOLE = ImageSpec(96, 64, "stretch")


def difference(one: NDArray[Any], other: NDArray[Any] | Image.Image) -> float:
    """Mean difference in grey levels."""
    return float(np.abs(one.astype(float) - np.asarray(other).astype(float)).mean())


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("JPEG", {"quality": 95}, 2),
        ("JPEG", {"quality": 95, "progressive": True}, 2),
        ("GIF", {}, 8),
    ],
)
def test_each_format_keeps_the_pixels(
    image: Image.Image, encode: Encode, kind: str, options: dict[str, Any], tolerance: float
) -> None:
    pixels = decode(encode(image, kind, **options), WHOLE)
    assert pixels.shape == (64, 96, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    assert difference(pixels, image) <= tolerance


def test_crop_takes_the_largest_centred_box_of_the_targets_aspect_ratio_scaled(
    image: Image.Image, encode: Encode
) -> None:
    data = encode(image, "PNG")
    cases = {
        (64, 64, 1.0): (16, 0, 80, 64),  # wider than the target: the sides are cut
        (96, 32, 1.0): (0, 16, 96, 48),  # narrower: top and bottom are cut
        (32, 32, 0.5): (32, 16, 64, 48),
        (48, 32, 0.5): (24, 16, 72, 48),
    }
    for (width, height, crop), box in cases.items():
        spec = ImageSpec(width, height, "crop", crop)
        assert np.array_equal(decode(data, spec), np.asarray(image.crop(box)).copy()), (width, height, crop)


def test_stretch_keeps_the_whole_image_and_ignores_crop(image: Image.Image, encode: Encode) -> None:
    expected = image.resize((20, 50), Image.Resampling.BILINEAR)
    for crop in (1.0, 0.5):
        spec = ImageSpec(20, 50, "stretch", crop)
        assert np.array_equal(decode(encode(image, "PNG"), spec), np.asarray(expected))


@pytest.mark.parametrize("resampling", RESAMPLINGS)
def test_each_resampling_is_pillows_of_that_name(image: Image.Image, encode: Encode, resampling: Resampling) -> None:
    spec = ImageSpec(24, 16, "crop", 1.0, resampling)
    expected = image.resize((24, 16), Image.Resampling[resampling.upper()])
    assert np.array_equal(decode(encode(image, "PNG"), spec), np.asarray(expected))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("spec", [ImageSpec(40, 24, "crop", 0.9), ImageSpec(40, 24, "stretch")], ids=FITS)
def test_the_orientation_applies_before_the_crop(
    image: Image.Image, encode: Encode, kind: str, orientation: int, spec: ImageSpec
) -> None:
    # GIVEN an image with an EXIF orientation; Pillow's own transposition is the oracle
    exif = Image.Exif()
    exif[0x0112] = orientation
    quality = {"quality": 95} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    data = encode(image, kind, exif=exif, **quality)
    with Image.open(BytesIO(data)) as opened:
        upright = ImageOps.exif_transpose(opened)
    assert upright.size == ((64, 96) if orientation >= 5 else (96, 64))
    # WHEN both are cropped and resampled THEN they agree up to the rounding between the two passes
    pixels = decode(data, spec)
    assert pixels.shape == (24, 40, 3)
    assert np.abs(pixels.astype(int) - decode(encode(upright, "PNG"), spec)).max() <= 1


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0garbage",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
        b"Exif\0\0",
        b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\x63\0\0",
    ],
)
def test_an_image_with_damaged_exif_data_decodes(image: Image.Image, encode: Encode, exif: bytes) -> None:
    assert difference(decode(encode(image, "JPEG", quality=95, exif=exif), WHOLE), image) <= 2


@pytest.mark.parametrize(
    ("kind", "count", "value"),
    [(3, 1, b"\0\0\0\0"), (3, 1, b"\0\x09\0\0"), (3, 1, b"\xff\xff\0\0"), (2, 2, b"6\0\0\0"), (3, 0, b"\0\0\0\0")],
)
def test_an_invalid_orientation_is_ignored(
    image: Image.Image, encode: Encode, kind: int, count: int, value: bytes
) -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">HHHI4sI", 1, 0x0112, kind, count, value, 0)
    assert difference(decode(encode(image, "PNG", exif=exif), WHOLE), image) == 0


def test_pillows_warning_about_an_orientation_is_silenced(image: Image.Image, encode: Encode) -> None:
    # GIVEN an orientation of two values; warnings are errors in these tests
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 2, 3, 3, 0)
    data = encode(image, "PNG", exif=exif)
    with pytest.warns(UserWarning, match="too many entries"), Image.open(BytesIO(data)) as opened:
        opened.getexif().get(0x0112)
    assert difference(decode(data, WHOLE), image.rotate(180)) == 0


def test_cmyk_and_ycck_jpegs_keep_their_colours(image: Image.Image, encode: Encode) -> None:
    cmyk = encode(image.convert("CMYK"), "JPEG", quality=95)
    assert difference(decode(cmyk, WHOLE), image) <= 3
    # The last byte of Adobe's marker is 0 for CMYK and 2 for YCCK
    at = cmyk.index(b"Adobe") + 11
    assert cmyk[at] == 0
    ycck = encode(_ycck(image), "JPEG", quality=95)
    ycck = ycck[:at] + b"\2" + ycck[at + 1 :]
    assert difference(decode(ycck, WHOLE), image) <= 3


def _ycck(image: Image.Image) -> Image.Image:
    """The CMYK image whose bytes, read as YCCK, are ``image``: Y, Cb and Cr, and no black."""
    y, cb, cr = image.convert("YCbCr").split()
    # Pillow inverts what it writes, as Adobe does, and so does YCCK itself: the two cancel.
    return Image.merge("CMYK", [y, cb, cr, Image.new("L", image.size, 0)])


def test_sixteen_bit_grey_is_scaled_and_not_clipped(encode: Encode) -> None:
    levels = np.linspace(0, 65535, 96 * 64).astype(np.uint16).reshape(64, 96)
    pixels = decode(encode(Image.fromarray(levels), "PNG"), WHOLE)
    assert np.array_equal(pixels[..., 0], np.rint(levels / 257).astype(np.uint8))
    assert np.array_equal(pixels[..., 0], pixels[..., 1])
    assert np.array_equal(pixels[..., 0], pixels[..., 2])


def test_sixteen_bit_grey_with_a_transparent_level_is_blended_with_the_background(encode: Encode) -> None:
    levels = np.full((64, 96), 40_000, np.uint16)
    levels[:, :48] = 1234
    data = encode(Image.fromarray(levels), "PNG", transparency=1234)
    pixels = decode(data, replace(WHOLE, background=(10, 20, 30)))
    assert pixels[5, 5].tolist() == [10, 20, 30]
    assert pixels[5, 90].tolist() == [155, 155, 155]


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_grey_black_and_white_and_palette_images_decode(image: Image.Image, encode: Encode, mode: str) -> None:
    variant = image.convert(mode)
    assert difference(decode(encode(variant, "PNG"), WHOLE), variant.convert("RGB")) == 0


def test_a_palette_is_resampled_as_colours_not_as_indices(encode: Encode) -> None:
    # GIVEN a chessboard of colours 0 (red) and 2 (blue), with green between them in the palette
    board = Image.fromarray((np.indices((64, 96)).sum(axis=0) % 2 * 2).astype(np.uint8), "P")
    board.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    pixels = decode(encode(board, "PNG"), ImageSpec(6, 4, resampling="box"))
    assert np.abs(pixels.astype(int) - [128, 0, 128]).max() <= 1


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_transparent_pixels_show_the_background(image: Image.Image, encode: Encode, mode: str, kind: str) -> None:
    variant = image.convert("RGBA")
    variant.putalpha(Image.fromarray(np.tile(np.repeat([0, 255], 48).astype(np.uint8), (64, 1))))
    options = {"lossless": True} if kind == "WEBP" else {}
    pixels = decode(encode(variant.convert(mode), kind, **options), replace(WHOLE, background=(1, 2, 3)))
    assert np.array_equal(pixels[:, :48], np.full((64, 48, 3), [1, 2, 3]))
    opaque = image.convert("L").convert("RGB") if mode == "LA" else image
    assert np.array_equal(pixels[:, 48:], np.asarray(opaque)[:, 48:])


def test_colours_under_transparent_pixels_do_not_bleed_into_others(encode: Encode) -> None:
    # GIVEN columns that alternate between opaque white and transparent black
    levels = np.zeros((64, 96, 4), np.uint8)
    levels[:, ::2] = 255
    pixels = decode(encode(Image.fromarray(levels, "RGBA"), "PNG"), ImageSpec(24, 16, background=(255, 255, 255)))
    # THEN white on white is white, at any size
    assert pixels.min() == 255


def test_a_transparent_palette_entry_and_a_transparent_colour_show_the_background(encode: Encode) -> None:
    spec = replace(WHOLE, background=(9, 8, 7))
    palette = Image.new("P", (96, 64), 1)
    palette.putpalette([0, 0, 0, 200, 100, 50])
    palette.paste(0, (0, 0, 48, 64))
    for data in (
        encode(palette, "PNG", transparency=0),
        encode(palette, "PNG", transparency=b"\x00\xff"),
        encode(palette, "GIF", transparency=0),
        encode(palette.convert("RGB"), "PNG", transparency=(0, 0, 0)),
    ):
        pixels = decode(data, spec)
        assert pixels[5, 5].tolist() == [9, 8, 7]
        assert pixels[5, 90].tolist() == [200, 100, 50]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_decoded(image: Image.Image, encode: Encode, kind: str) -> None:
    frames = [Image.new("RGB", image.size, color) for color in ("red", "blue", "lime")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, **options)
    with Image.open(BytesIO(data)) as opened:
        assert getattr(opened, "n_frames", 1) == 3
    assert decode(data, WHOLE)[10, 10].tolist() == [255, 0, 0]


def test_a_phones_jpeg_with_a_second_image_inside_is_a_jpeg(image: Image.Image, encode: Encode) -> None:
    data = encode(image, "MPO", save_all=True, append_images=[Image.new("RGB", (96, 64), "red")], quality=95)
    assert difference(decode(data, WHOLE), image) <= 2


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (60_000, 2), (2, 60_000)])
@pytest.mark.parametrize("fit", FITS)
def test_extreme_shapes_are_resampled_to_the_target(encode: Encode, size: tuple[int, int], fit: Fit) -> None:
    for mode in ("L", "RGBA", "I;16"):
        plain = Image.new(mode, size, (77, 77, 77, 255) if mode == "RGBA" else 77 * (257 if mode == "I;16" else 1))
        pixels = decode(encode(plain, "PNG"), ImageSpec(50, 40, fit, 0.5, "bicubic"))
        assert pixels.shape == (40, 50, 3)
        assert np.abs(pixels.astype(int) - 77).max() <= 1


@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    target=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    fit=st.sampled_from(FITS),
    crop=st.floats(0.01, 1.0),
    resampling=st.sampled_from(RESAMPLINGS),
)
def test_any_shape_is_resampled_to_any_target(
    width: int, height: int, target: tuple[int, int], fit: Fit, crop: float, resampling: Resampling
) -> None:
    file = BytesIO()
    Image.new("L", (width, height), 200).save(file, "PNG", compress_level=0)
    pixels = decode(file.getvalue(), ImageSpec(*target, fit, crop, resampling))
    assert pixels.shape == (target[1], target[0], 3)
    assert np.abs(pixels.astype(int) - 200).max() <= 1


def sizes_decoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """A list to which the size of each JPEG that is decoded from now on is added."""
    sizes: list[tuple[int, int]] = []
    load_prepare = JpegImageFile.load_prepare

    def noted(self: JpegImageFile) -> None:
        sizes.append(self.size)
        load_prepare(self)

    monkeypatch.setattr(JpegImageFile, "load_prepare", noted)
    return sizes


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("resampling", ["bilinear", "bicubic"])
def test_a_large_jpeg_is_decoded_at_reduced_size_with_the_same_result(
    image: Image.Image, encode: Encode, monkeypatch: pytest.MonkeyPatch, fit: Fit, resampling: Resampling
) -> None:
    # GIVEN 1536 x 1024 pixels for a target of 48 x 32: an eighth of them is enough
    rng = np.random.default_rng(1)
    large = image.resize((1536, 1024), Image.Resampling.BICUBIC)
    noise = rng.normal(0, 20, (1024, 1536, 3))
    data = encode(Image.fromarray((np.asarray(large) + noise).clip(0, 255).astype(np.uint8)), "JPEG", quality=90)
    spec = ImageSpec(48, 32, fit, 0.9, resampling)
    decoded = sizes_decoded(monkeypatch)
    small = decode(data, spec)
    assert decoded == [(192, 128)]
    # WHEN it is decoded at full size THEN the result differs by less than a grey level
    monkeypatch.setattr(image_decoding, "_draft", lambda *_: None)
    assert difference(small, decode(data, spec)) < 1


def test_a_jpeg_is_never_decoded_to_less_than_twice_the_target(encode: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = sizes_decoded(monkeypatch)
    for width, height in [(127, 900), (128, 128), (255, 255), (256, 300), (511, 600), (512, 512), (700, 513)]:
        for target in [(32, 32), (20, 64), (64, 20)]:
            decoded.clear()
            decode(encode(Image.new("RGB", (width, height)), "JPEG"), ImageSpec(*target, "crop", 0.875))
            remaining = 0.875 * min(decoded[0][0] / target[0], decoded[0][1] / target[1])
            assert decoded == [(width, height)] or remaining >= 2, (width, height, target, decoded)


def test_it_equals_short_side_256_centre_224_on_real_images() -> None:
    if not IMAGES.is_dir():
        pytest.skip("the shared images are not on this machine")
    spec = ImageSpec(224, 224, "crop", 0.875, "bilinear")
    differences, exact = [], []
    for path in sorted(IMAGES.glob("*/*"))[::4]:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
        scale = 256 / min(image.size)
        short = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
        left, top = (short.width - 224) / 2, (short.height - 224) / 2
        # Half a pixel would shift the image, so resample from fractional coordinates where the usual way rounds.
        box = (left, top, left + 224, top + 224)
        usual = short.resize((224, 224), Image.Resampling.BILINEAR, box=box)
        differences.append(difference(decode(path.read_bytes(), spec), usual))
        if left.is_integer() and top.is_integer():
            exact.append(differences[-1])
    assert len(differences) > 50
    assert np.mean(differences) < 1
    assert max(differences) < 6
    # Without such rounding the two are nearly equal.
    assert len(exact) > 10
    assert np.mean(exact) < 0.5

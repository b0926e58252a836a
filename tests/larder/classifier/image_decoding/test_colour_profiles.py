"""Embedded colour profiles become sRGB; none, sRGB's own and damaged ones change nothing."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from tests.toys.colour_profiles import ADOBE_RGB, DISPLAY_P3, SRGB, cmyk_profile, grey_profile, rgb_profile

from larder.classifier.image_decoding import decode
from larder.release.serving import ImageSpec

SPEC = ImageSpec(8, 8, "stretch")
SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def plain(colour: object, mode: str = "RGB", kind: str = "PNG", profile: bytes | None = None) -> NDArray[np.int64]:
    """One pixel of a plain image of this colour, encoded with this profile and decoded."""
    file = BytesIO()
    Image.new(mode, (16, 16), colour).save(file, kind, **({"icc_profile": profile} if profile else {}))  # type: ignore[arg-type]  # a colour of the mode
    pixel: NDArray[np.int64] = decode(file.getvalue(), SPEC)[4, 4].astype(np.int64)
    return pixel


def in_srgb(colour: Sequence[int], primaries: Sequence[Sequence[float]], gamma: float) -> NDArray[np.float64]:
    """The colour in sRGB, by matrices: to XYZ by the primaries, and back by sRGB's."""
    xyz = np.array(primaries).T @ (np.array(colour) / 255) ** gamma
    linear = np.clip(np.linalg.inv(np.array(SRGB).T) @ xyz, 0, 1)
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    result: NDArray[np.float64] = 255 * curve
    return result


@pytest.mark.parametrize("primaries", [DISPLAY_P3, ADOBE_RGB], ids=["Display P3", "Adobe RGB"])
@pytest.mark.parametrize("colour", [(200, 90, 60), (60, 160, 90), (128, 128, 128), (10, 20, 250)])
@pytest.mark.parametrize(("mode", "kind"), [("RGB", "PNG"), ("RGBA", "PNG"), ("RGB", "WEBP"), ("RGB", "AVIF")])
def test_wide_colours_become_srgb(
    primaries: Sequence[Sequence[float]], colour: tuple[int, int, int], mode: str, kind: str
) -> None:
    given = (*colour, 255) if mode == "RGBA" else colour
    found = plain(given, mode, kind, rgb_profile(primaries))
    encoded = plain(given, mode, kind)  # WebP and AVIF lose a little
    assert np.abs(found - in_srgb(encoded.tolist(), primaries, 2.2)).max() <= 4


def test_a_grey_profile_applies_to_grey() -> None:
    expected = in_srgb((100, 100, 100), SRGB, 1.8)
    for mode, colour in (("L", 100), ("LA", (100, 255)), ("I;16", 100 * 257)):
        assert np.abs(plain(colour, mode, profile=grey_profile(1.8)) - expected).max() <= 2


@pytest.mark.parametrize(
    "profile",
    [
        SRGB_PROFILE,
        rgb_profile(SRGB, name="sRGB IEC61966-2.1"),
        b"",
        b"damaged" * 50,
        rgb_profile(DISPLAY_P3)[:200],
        rgb_profile(DISPLAY_P3)[:16] + b"GRAY" + rgb_profile(DISPLAY_P3)[20:],
        rgb_profile(DISPLAY_P3)[:16] + b"Lab " + rgb_profile(DISPLAY_P3)[20:],
        grey_profile(1.8),  # of an image with colours
    ],
    ids=["own sRGB", "named", "none", "damaged", "cut", "wrong space", "unknown space", "grey"],
)
def test_other_profiles_change_nothing(profile: bytes) -> None:
    np.testing.assert_array_equal(plain((200, 90, 60), profile=profile), plain((200, 90, 60)))


def test_linear_colours_are_not_taken_for_srgb() -> None:
    found = plain((100, 100, 100), profile=rgb_profile(SRGB, 1.0, "Linear sRGB"))
    assert np.abs(found - in_srgb((100, 100, 100), SRGB, 1.0)).max() <= 2


def test_an_unnamed_srgb_is_found_by_its_numbers() -> None:
    unnamed = SRGB_PROFILE.replace(b"\0s\0R\0G\0B", b"\0o\0u\0r\0s")
    assert unnamed != SRGB_PROFILE
    np.testing.assert_array_equal(plain((200, 90, 60), profile=unnamed), plain((200, 90, 60)))


def test_a_transparent_palette_with_a_profile() -> None:
    image = Image.new("P", (16, 16), 1)
    image.putpalette([0, 0, 0, 200, 90, 60])
    file = BytesIO()
    image.save(file, "PNG", icc_profile=rgb_profile(DISPLAY_P3), transparency=0)
    found = decode(file.getvalue(), SPEC)[4, 4]
    assert np.abs(found - in_srgb((200, 90, 60), DISPLAY_P3, 2.2)).max() <= 2


def test_a_heic_of_a_phone_has_display_p3() -> None:
    data = (Path(__file__).parent / "heic/display_p3.heic").read_bytes()
    found = decode(data, ImageSpec(64, 48, "stretch"))[12, 48]
    assert np.abs(found - in_srgb((40, 180, 60), DISPLAY_P3, 2.2)).max() <= 4


def test_cmyk_is_converted_by_its_profile() -> None:
    """Ink 200 of cyan is grey on a press of black inks."""
    found = plain((200, 0, 0, 0), "CMYK", "JPEG", cmyk_profile())
    assert found.max() - found.min() <= 4
    assert 170 <= found[0] <= 230
    without = plain((200, 0, 0, 0), "CMYK", "JPEG")
    assert without[0] < 80
    assert without[2] > 240
    broken = b"x" * 16 + b"CMYK" + b"x" * 200
    assert np.abs(plain((200, 0, 0, 0), "CMYK", "JPEG", broken) - without).max() <= 3

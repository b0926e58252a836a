"""Embedded colour profiles (ICC): from the colours of a camera, display or press to sRGB, which backbones expect.

Without a profile, or with sRGB, nothing is imported or computed. Pillow's binding of LittleCMS is imported at the first
other profile.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsTransform

MAX_BYTES: Final = 4_000_000  # of a profile; those of presses have one or two million

_SPACES: Final = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
_HEADER: Final = 128
_TAGS: Final = 100  # a profile has about ten
_SAME: Final = 2  # levels of 255 that rounding may differ by


def colour_mode(image: Image.Image) -> str:
    """The mode of the colours that the image's profile describes, "RGB", "L" or "CMYK"; empty to keep them."""
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not _HEADER < len(profile) <= MAX_BYTES:
        return ""
    mode = _SPACES.get(profile[16:20], "")
    fits = {"RGB": ("RGB", "RGBA", "P", "PA"), "L": ("L", "LA", "I;16", "1"), "CMYK": ("CMYK",)}
    if image.mode not in fits.get(mode, ()) or (mode == "RGB" and _is_named_srgb(profile)):
        return ""
    return mode


def to_srgb(image: Image.Image, profile: bytes, mode: str) -> Image.Image:
    """The image with colours in sRGB, "RGB" or "RGBA"; unchanged if the profile is sRGB's or damaged.

    Args:
        image: "L", "RGB", "RGBA" or "CMYK".
        profile: The bytes of the profile.
        mode: Its ``colour_mode``.
    """
    transform = _transform(profile, mode)
    if transform is None:
        return image
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.getchannel(0) if mode == "L" else image.convert(mode)
    converted = transform.apply(colours)
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _is_named_srgb(profile: bytes) -> bool:
    """Whether the profile's description names sRGB, and not a linear variant of it."""
    count = int.from_bytes(profile[_HEADER : _HEADER + 4], "big")
    for entry in range(min(count, _TAGS)):
        start = _HEADER + 4 + 12 * entry
        if profile[start : start + 4] == b"desc":
            offset, size = (int.from_bytes(profile[start + at : start + at + 4], "big") for at in (4, 8))
            text = profile[offset : offset + min(size, 1000)].replace(b"\0", b"")  # ASCII, or UTF-16 without its zeros
            return b"sRGB" in text and b"inear" not in text
    return False


@lru_cache(maxsize=16)  # the images of one camera share a profile
def _transform(profile: bytes, mode: str) -> "ImageCmsTransform | None":
    try:
        from io import BytesIO

        from PIL import ImageCms

        own, srgb = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
        flags = (
            ImageCms.Flags.NOCACHE | ImageCms.Flags.BLACKPOINTCOMPENSATION
        )  # without the cache, threads may share it
        transform = ImageCms.buildTransform(own, srgb, mode, "RGB", ImageCms.Intent.PERCEPTUAL, flags)
        changed = np.asarray(transform.apply(_swatches(mode)), np.int16)
    except Exception:  # noqa: BLE001  # a damaged profile, or none of LittleCMS: the pixels may still be whole
        return None
    same = mode != "CMYK" and np.abs(changed - np.asarray(_swatches(mode).convert("RGB"), np.int16)).max() <= _SAME
    return None if same else transform


def _swatches(mode: str) -> Image.Image:
    """Colours from all over the space: a transform that keeps them is sRGB's."""
    levels = np.linspace(0, 255, 6).astype(np.uint8)
    grid = np.stack(np.meshgrid(*[levels] * len(mode)), axis=-1).reshape(1, -1, len(mode))
    return Image.fromarray(grid[..., 0] if mode == "L" else grid, mode)

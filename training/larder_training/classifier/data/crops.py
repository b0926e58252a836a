"""Cuts boxes out of images: each becomes a file of its own, kept in the cache by content and box."""

from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from math import ceil, floor
from pathlib import Path
from typing import Final

from PIL import Image, ImageOps

from larder.errors import InvalidRequest
from larder.store import part_beside
from larder_training.classifier.data.formats.entries import Box
from larder_training.classifier.data.manifests import LabelledImage
from larder_training.io.image_files import cache_folder

_PNG_MODES: Final = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
SMALLEST: Final = 4  # pixels of a box's side


def cut_out(image: LabelledImage) -> LabelledImage:
    """The image with the path of its part; an image without a box stays as it is.

    Raises:
        InvalidRequest: The file cannot be decoded, or the box is outside of it or too small.
    """
    if image.box is None:
        return image
    try:
        data = image.path.read_bytes()
    except OSError as error:
        raise InvalidRequest(
            f"The file cannot be read ({error.strerror}). Check the path and the permissions."
        ) from error
    corners = " ".join(f"{side:g}" for side in image.box)
    key = sha256(data + f" {corners} {image.relative}".encode()).hexdigest()[:32]
    path = cache_folder().with_name("boxes") / key[:2] / f"{key}.png"
    if not path.is_file():
        _write(path, _cut(data, image.box, relative=image.relative))
    name = f"{image.name}#{corners.replace(' ', ',')}"
    return replace(image, path=path, name=name, box=None, cut_from=image.name)


def _cut(data: bytes, box: Box, *, relative: bool) -> bytes:
    try:
        with Image.open(BytesIO(data)) as opened:
            upright = ImageOps.exif_transpose(opened)
            upright.load()
            profile = opened.info.get("icc_profile")
    except Exception as error:
        raise InvalidRequest(f"The file cannot be decoded ({type(error).__name__}). Save it again.") from error
    part = upright.crop(_area(upright, box, relative=relative))
    part = part if part.mode in _PNG_MODES else part.convert("RGB")
    buffer = BytesIO()
    part.save(buffer, "PNG", compress_level=1, icc_profile=profile)
    return buffer.getvalue()


def _area(image: Image.Image, box: Box, *, relative: bool) -> tuple[int, int, int, int]:
    """The box in whole pixels of the image."""
    across, down = (image.width, image.height) if relative else (1, 1)
    left, top = max(floor(box[0] * across), 0), max(floor(box[1] * down), 0)
    right, bottom = min(ceil(box[2] * across), image.width), min(ceil(box[3] * down), image.height)
    if right - left < SMALLEST or bottom - top < SMALLEST:
        raise InvalidRequest(
            f"The box {', '.join(f'{side:g}' for side in box)} is outside of the image of {image.width}x{image.height} "
            f"pixels, or smaller than {SMALLEST} pixels. Correct or remove it."
        )
    return left, top, right, bottom


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_beside(path)
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

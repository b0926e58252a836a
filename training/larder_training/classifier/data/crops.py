"""Cuts boxes out of images: each becomes a file of its own, kept in the cache by content and box."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from hashlib import sha256
from io import BytesIO
from math import ceil, floor, isfinite
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


def cut_out(images: Sequence[LabelledImage]) -> list[LabelledImage | str]:
    """The images with the paths of their parts, or why a part cannot be cut out; one without a box stays as it is.

    Args:
        images: Entries of one file, which is read and decoded once.
    """
    if all(image.box is None for image in images):
        return list(images)
    try:
        data = images[0].path.read_bytes()
    except OSError as error:
        reason = f"The file cannot be read ({error.strerror}). Check the path and the permissions."
        return [image if image.box is None else reason for image in images]
    digest, decoded = sha256(data).hexdigest(), cache(partial(_decoded, data))
    parts: list[LabelledImage | str] = []
    for image in images:
        try:
            parts.append(image if image.box is None else _part(image, image.box, digest, decoded))
        except InvalidRequest as error:
            parts.append(str(error))
    return parts


def _part(image: LabelledImage, box: Box, digest: str, decoded: Callable[[], Image.Image]) -> LabelledImage:
    """The image with the path of the part in its box, which is cut out unless it is in the cache."""
    corners = " ".join(f"{side:g}" for side in box)
    key = sha256(f"{digest} {corners} {image.relative}".encode()).hexdigest()[:32]
    path = cache_folder().with_name("boxes") / key[:2] / f"{key}.png"
    if not path.is_file():
        _write(path, _cut(decoded(), box, relative=image.relative))
    name = f"{image.name}#{corners.replace(' ', ',')}"
    return replace(image, path=path, name=name, box=None, cut_from=image.name)


def _decoded(data: bytes) -> Image.Image:
    """The image of a file, upright."""
    try:
        with Image.open(BytesIO(data)) as opened:
            return ImageOps.exif_transpose(opened)
    except Exception as error:
        raise InvalidRequest(f"The file cannot be decoded ({type(error).__name__}). Save it again.") from error


def _cut(upright: Image.Image, box: Box, *, relative: bool) -> bytes:
    part = upright.crop(_area(upright, box, relative=relative))
    part = part if part.mode in _PNG_MODES else part.convert("RGB")
    buffer = BytesIO()
    part.save(buffer, "PNG", compress_level=1, icc_profile=upright.info.get("icc_profile"))
    return buffer.getvalue()


def _area(image: Image.Image, box: Box, *, relative: bool) -> tuple[int, int, int, int]:
    """The box in whole pixels of the image."""
    across, down = (image.width, image.height) if relative else (1, 1)
    sides = [side * length for side, length in zip(box, (across, down, across, down), strict=True)]
    if all(map(isfinite, sides)):  # lists may have NaN and infinity
        left, top = max(floor(sides[0]), 0), max(floor(sides[1]), 0)
        right, bottom = min(ceil(sides[2]), image.width), min(ceil(sides[3]), image.height)
        if right - left >= SMALLEST and bottom - top >= SMALLEST:
            return left, top, right, bottom
    raise InvalidRequest(
        f"The box {', '.join(f'{side:g}' for side in box)} is outside of the image of {image.width}x{image.height} "
        f"pixels, or smaller than {SMALLEST} pixels. Correct or remove it."
    )


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_beside(path)
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

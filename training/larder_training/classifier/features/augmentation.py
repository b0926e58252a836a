"""Augmented copies of a training image: random crop, scale, rotation, light and colour.

Random numbers depend on the seed, the copy's number and the file's digest, not on order or threads.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from larder.release.serving import ImageSpec
from larder_training.classifier.config.options import AugmentationName

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class AugmentationStrength:
    """Limits of the random changes.

    Attributes:
        smallest_crop: Smallest side of a crop, as a share of the image's side.
        stretch: Largest change of a crop's proportions, as a logarithm.
        turn: Largest rotation in degrees, in both directions.
        light: Largest relative change of brightness, contrast and saturation.
        tint: Largest relative change of a colour channel.
    """

    smallest_crop: float
    stretch: float
    turn: float
    light: float
    tint: float


STRENGTHS: Final[Mapping[str, AugmentationStrength]] = {
    "weak": AugmentationStrength(0.85, 0.0, 4, 0.1, 0.0),
    "medium": AugmentationStrength(0.7, 0.05, 8, 0.2, 0.05),
    "strong": AugmentationStrength(0.5, 0.15, 15, 0.4, 0.1),
}
# Positions of crops in the margin that they leave out: the centre and the corners, in turn from a random start.
_CROP_ANCHORS: Final = ((0.0, 0.0), (-0.5, -0.5), (0.5, 0.5), (0.5, -0.5), (-0.5, 0.5))
_JITTER: Final = 0.25  # around such a position, as a share of the margin


def describe(name: AugmentationName, copies: int, *, flip: bool) -> dict[str, object]:
    """The hyperparameters, for the manifest."""
    limits: dict[str, object] = asdict(STRENGTHS[name]) if name in STRENGTHS else {}
    return {"strength": name, "copies": copies if name in STRENGTHS else 0, "flip": flip, **limits}


def with_margin(spec: ImageSpec) -> ImageSpec:
    """The specification of the whole image that ``spec`` crops the centre of, at the same scale."""
    return replace(spec, width=round(spec.width / spec.crop), height=round(spec.height / spec.crop), crop=1.0)


def augment(whole: Pixels, spec: ImageSpec, name: AugmentationName, *, copy: int, seed: int, digest: str) -> Pixels:
    """One copy: uint8 ``[height, width, 3]``.

    Args:
        whole: The image, decoded to ``with_margin(spec)``.
        spec: The size of the copy.
        name: A strength other than "none".
        copy: The copy's number; the crops of an image's copies are at the centre and the corners in turn.
        seed: The seed of the training.
        digest: SHA-256 of the image file, in hexadecimal.
    """
    image_number = int(digest[:16], 16)
    random = np.random.default_rng([seed, copy, image_number])
    anchor = _CROP_ANCHORS[(image_number + copy) % len(_CROP_ANCHORS)]
    return _change_light(_crop_and_turn(whole, spec, STRENGTHS[name], anchor, random), STRENGTHS[name], random)


def _crop_and_turn(
    whole: Pixels,
    spec: ImageSpec,
    strength: AugmentationStrength,
    anchor: tuple[float, float],
    random: np.random.Generator,
) -> Pixels:
    """Crops, rotates and scales in one resampling, by the matrix that maps pixels of the copy to the image."""
    height, width = whole.shape[:2]
    pad = max(height, width) // 4 + 1  # a rotated crop may reach over the edge, which is repeated there
    padded = np.pad(whole, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    share = random.uniform(strength.smallest_crop, 1.0)
    turn = np.deg2rad(random.uniform(-strength.turn, strength.turn))
    stretch = np.exp(random.uniform(-strength.stretch, strength.stretch))
    across = share * stretch * width / spec.width
    down = share / stretch * height / spec.height
    centre_x, centre_y = (
        pad + side / 2 + np.clip(at + random.uniform(-_JITTER, _JITTER), -0.5, 0.5) * (1 - share) * side
        for at, side in zip(anchor, (width, height), strict=True)
    )
    a, b = np.cos(turn) * across, -np.sin(turn) * down
    d, e = np.sin(turn) * across, np.cos(turn) * down
    offset_x = centre_x - a * spec.width / 2 - b * spec.height / 2
    offset_y = centre_y - d * spec.width / 2 - e * spec.height / 2
    image = Image.fromarray(padded).transform(
        (spec.width, spec.height),
        Image.Transform.AFFINE,
        (a, b, offset_x, d, e, offset_y),
        resample=Image.Resampling.BILINEAR,
    )
    return np.asarray(image)


def _change_light(pixels: Pixels, strength: AugmentationStrength, random: np.random.Generator) -> Pixels:
    brightness, contrast, saturation = random.uniform(1 - strength.light, 1 + strength.light, 3)
    tint = random.uniform(1 - strength.tint, 1 + strength.tint, 3).astype(np.float32)
    colours = pixels.astype(np.float32)
    grey = colours @ np.array([0.299, 0.587, 0.114], np.float32)
    colours = grey[..., None] + np.float32(saturation) * (colours - grey[..., None])
    mean = grey.mean()
    colours = (mean + np.float32(contrast) * (colours - mean)) * (np.float32(brightness) * tint)
    lit: Pixels = np.clip(np.rint(colours), 0, 255).astype(np.uint8)
    return lit

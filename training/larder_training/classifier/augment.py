"""Changed copies of a training photo: another crop, a small turn, other light, and a mirror image where wanted.

Everything is drawn from the seed, the copy's number and the file's digest, so neither order nor threads matter.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from larder.image import decode
from larder.serving import ImageSpec

Pixels = NDArray[np.uint8]

SMALLEST_CROP: Final = 0.75  # share of the photo's side that a crop keeps at least
LARGEST_TURN: Final = 8.0  # degrees, either way
LIGHT: Final = 0.2  # brightness, contrast and saturation change by up to this share


def describe(copies: int, flip: bool) -> dict[str, object]:
    """The hyperparameters, for the manifest."""
    return {
        "copies": copies,
        "flip": flip,
        "smallest_crop": SMALLEST_CROP,
        "largest_turn_degrees": LARGEST_TURN,
        "light": LIGHT,
    }


def with_margin(spec: ImageSpec) -> ImageSpec:
    """The specification of the whole box that ``spec`` cuts its centre from, at the same scale."""
    return replace(spec, width=round(spec.width / spec.crop), height=round(spec.height / spec.crop), crop=1.0)


def augment(data: bytes, spec: ImageSpec, *, copies: int, flip: bool, seed: int, digest: str) -> Pixels:
    """Decodes a photo and changes it: uint8 ``[copies, height, width, 3]``. Raises as ``larder.image.decode`` does."""
    whole = decode(data, with_margin(spec))
    made = np.empty((copies, spec.height, spec.width, 3), np.uint8)
    for copy in range(copies):
        random = np.random.default_rng([seed, copy, int(digest[:16], 16)])
        made[copy] = _light(_view(whole, spec, flip, random), random)
    return made


def _view(whole: Pixels, spec: ImageSpec, flip: bool, random: np.random.Generator) -> Pixels:
    """Crop, turn and scale in one resampling, by the matrix that maps the copy's pixels to the photo's."""
    height, width = whole.shape[:2]
    pad = max(height, width) // 8 + 1  # a turned crop reaches over the edge: repeat the edge there
    padded = np.pad(whole, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    share = random.uniform(SMALLEST_CROP, 1.0)
    turn = np.deg2rad(random.uniform(-LARGEST_TURN, LARGEST_TURN))
    across = share * width / spec.width * (-1 if flip and random.random() < 0.5 else 1)
    down = share * height / spec.height
    centre_x = pad + width / 2 + random.uniform(-0.5, 0.5) * (1 - share) * width
    centre_y = pad + height / 2 + random.uniform(-0.5, 0.5) * (1 - share) * height
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


def _light(pixels: Pixels, random: np.random.Generator) -> Pixels:
    brightness, contrast, saturation = random.uniform(1 - LIGHT, 1 + LIGHT, 3)
    colours = pixels.astype(np.float32)
    grey = colours @ np.array([0.299, 0.587, 0.114], np.float32)
    colours = grey[..., None] + saturation * (colours - grey[..., None])
    mean = grey.mean()
    colours = (mean + contrast * (colours - mean)) * brightness
    lit: Pixels = np.clip(np.rint(colours), 0, 255).astype(np.uint8)
    return lit

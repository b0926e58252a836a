"""scikit-learn's 1,797 handwritten digits, as image files in class folders."""

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

_SIDE: Final = 64  # pixels: about the size of one digit cropped from a phone's image
_HELD_OUT: Final = 6  # one in this many images goes to the test folder
_INK: Final = 16  # the data go from 0 (paper) to 16 (ink)


def write(folder: Path | str) -> Path:
    """Writes the digits as PNG files to ``train/<digit>`` and ``test/<digit>`` below ``folder``, and returns it.

    The images are those of the UCI ML hand-written digits data set, dark on white and scaled from 8 to 64 pixels.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    for index, (pixels, label) in enumerate(zip(data.images, data.target, strict=True)):
        part = Path(folder) / ("test" if index % _HELD_OUT == 0 else "train") / str(label)
        part.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray((255 - pixels * (255 / _INK)).astype(np.uint8))
        image.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).save(part / f"{index:04}.png")
    return Path(folder)

"""HEIC and HEIF images for Pillow, by pi-heif's compiled part.

pi-heif's own plugin reads all metadata of every image in the file, on which a damaged file crashes the process (1.4.0).
This one reads the size, the colour profile and the pixels of the primary image; the container states the orientation,
which libheif applies, so that EXIF has nothing to add.
"""

from typing import Any

import _pi_heif
from PIL import ImageFile

THREADS = 1  # training decodes on every core, and a Lambda has one
PROFILES = ("prof", "rICC")


class HeifImageFile(ImageFile.ImageFile):
    """The primary image of a HEIF file: "RGB", "RGBA", "L" or "LA" in 8 bits, upright."""

    format = "HEIF"
    format_description = "HEIF container"

    def _open(self) -> None:
        self._data = self.fp.read() if self.fp else b""  # libheif reads from it until the pixels are decoded
        try:
            found = _pi_heif.load_file(self._data, THREADS, True, False, False, True, "", False)
            images = [image for image in found if image is not None]
            self._primary = next((image for image in images if image.primary), images[0])
            self._size, self._mode = self._primary.size_mode
            profile = self._primary.color_profile
        except (OSError, ValueError, RuntimeError, EOFError, IndexError) as error:
            raise SyntaxError(str(error)) from error
        if profile and profile["type"] in PROFILES:
            self.info["icc_profile"] = profile["data"]
        self.tile = []

    def load(self) -> Any:  # noqa: ANN401 - Pillow's own access object
        """Decodes the pixels."""
        if self._primary is not None:
            pixels = self._primary.data
            self._size, self._mode = self._primary.size_mode  # the size that the coded image has
            self.load_prepare()
            self.frombytes(pixels, "raw", (self._mode, self._primary.stride))
            self._primary, self._data = None, b""
        return super().load()

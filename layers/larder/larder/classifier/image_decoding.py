"""Encoded photos in, the pixels that a classifier's graph takes out. Training and serving decode here, and so alike.

The order is: look at the size that the header states, decode (a large JPEG at a half, a quarter or an eighth of its
size), cut the box that the specification asks for and resample it in one step, turn it upright, lay it on the
background. An embedded colour profile is not applied: backbones are trained on photos read without one.
"""

import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile

from larder.errors import InvalidRequest, TooLarge, UnreadableImage, UnsupportedMedia
from larder.release.serving import ImageSpec

MAX_PIXELS: Final = 50_000_000
FORMATS: Final = "JPEG, PNG, WebP and GIF"

_MAX_SIDE: Final = 65_535  # the limit of JPEG and GIF; it bounds the resampling weights of a picture of one row
_MAX_SCANS: Final = 100  # a progressive JPEG has about ten; thousands of empty ones keep a decoder busy for minutes
_RESAMPLINGS: Final = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# What a photo's EXIF orientation asks a viewer to do; 5 to 8 swap width and height.
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_STRANGERS: Final = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"BM", "a BMP picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"<", "HTML, XML or SVG"),
    (b"{", "JSON"),
)
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)  # not a restart, and no 0xFF that is data
_lock = threading.Lock()

Pixels = NDArray[np.uint8]


def decode(data: bytes, spec: ImageSpec, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decodes one picture; of an animation, the first frame.

    Args:
        data: a JPEG, PNG, WebP or GIF file. Its content decides, never a name or a content type.
        spec: the target size, and how the picture is cut and resampled to it.
        max_pixels: width times height, as the header states them, above which nothing is decoded. Decoding takes up
            to 16 bytes of memory a pixel (an animated or transparent picture), a large JPEG a fraction of one.

    Returns:
        uint8 ``[spec.height, spec.width, 3]``, RGB, upright as its EXIF orientation says.

    Raises:
        InvalidRequest: ``data`` is empty.
        UnsupportedMedia: it is no such file.
        TooLarge: it has more than ``max_pixels`` pixels, or a side over 65,535.
        UnreadableImage: it is truncated or damaged.
    """
    opener = _opener(data)
    try:
        with _no_warnings():
            image = opener(BytesIO(data))
    except Exception as error:
        raise _unreadable(error) from error
    with image:
        _check_size(image, max_pixels)
        try:
            return _pixels(image, spec)
        except Exception as error:
            raise _unreadable(error) from error


def _opener(data: bytes) -> Callable[[BytesIO], ImageFile.ImageFile]:
    """The Pillow class that reads ``data``: only four are ever asked, and each is imported when it is first needed.

    ``Image.open`` would import more of them, compare the size with a limit of the whole process, and take a phone's
    JPEG with a second picture inside for another format.
    """
    if data.startswith(b"\xff\xd8\xff"):
        from PIL.JpegImagePlugin import JpegImageFile

        _check_scans(data)
        return JpegImageFile
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        from PIL.PngImagePlugin import PngImageFile

        return PngImageFile
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        from PIL.WebPImagePlugin import WebPImageFile

        return WebPImageFile
    if data.startswith((b"GIF87a", b"GIF89a")):
        from PIL.GifImagePlugin import GifImageFile

        return GifImageFile
    raise _stranger(data)


def _check_scans(data: bytes) -> None:
    """Walks a JPEG's markers to its end (after which a phone may keep a film) and counts its scans.

    Only where it may have too many: no scan begins without these two bytes, and counting those is quick.
    """
    if data.count(b"\xff\xda") <= _MAX_SCANS:
        return
    at, scans = 2, 0
    while (found := _MARKER.search(data, at)) and found[1] != b"\xd9":
        scans += found[1] == b"\xda"
        if scans > _MAX_SCANS:
            raise UnreadableImage(f"This JPEG has more than {_MAX_SCANS} scans. Save it anew as a usual JPEG.")
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")


def _stranger(data: bytes) -> InvalidRequest | UnsupportedMedia:
    if not data:
        return InvalidRequest(
            f"There is no image: 0 bytes came. Send the bytes of a {FORMATS.replace('and', 'or')} file."
        )
    found = next((name for magic, name in _STRANGERS if data.startswith(magic)), "nothing that is known here")
    if data[4:8] == b"ftyp":
        found = "HEIC, AVIF or a video"
    return UnsupportedMedia(
        f"These {len(data)} bytes are {found}; {FORMATS} are read. Convert the picture to one of them."
    )


def _unreadable(error: Exception) -> UnreadableImage | TooLarge:
    if isinstance(error, Image.DecompressionBombError):  # a GIF's or WebP's canvas, found while its header was read
        return TooLarge(f"{str(error).partition(',')[0]}. Send a smaller picture.")
    return UnreadableImage(
        f"This picture is truncated or damaged ({str(error)[:80]}). Send the whole file, or save it anew."
    )


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels or max(width, height) > _MAX_SIDE:
        raise TooLarge(
            f"This picture has {width} x {height} = {width * height} pixels; the limit is {max_pixels} pixels, and "
            f"{_MAX_SIDE} a side. Send it scaled down: the model sees a few hundred pixels a side."
        )


def _pixels(image: ImageFile.ImageFile, spec: ImageSpec) -> Pixels:
    if image.format == "JPEG":
        _draft(image, spec)
    image.load()
    orientation = _orientation(image)
    size = (spec.height, spec.width) if orientation >= 5 else (spec.width, spec.height)
    small = _resample(_plain(image), size, spec)
    if orientation in _UPRIGHT:
        small = small.transpose(_UPRIGHT[orientation])
    if small.mode == "I;16":
        # Pillow's own conversion clips at 255. 65535 / 257 = 255, exactly.
        return np.repeat(np.rint(np.asarray(small) / 257).astype(np.uint8)[..., None], 3, axis=2)
    if small.mode == "RGBA":
        small = Image.alpha_composite(Image.new("RGBA", small.size, (*spec.background, 255)), small)
    return np.array(small.convert("RGB"))


def _draft(image: ImageFile.ImageFile, spec: ImageSpec) -> None:
    """Lets libjpeg decode at 1/2, 1/4 or 1/8 where at least twice the target's pixels remain on each axis.

    Whichever way the photo will be turned: that is not known yet.
    """
    kept = spec.crop if spec.fit == "crop" else 1.0
    scale = kept * min(image.size) / max(spec.width, spec.height) / 2
    factor = next((factor for factor in (8, 4, 2) if scale >= factor), 1)
    if factor > 1:
        image.draft(None, (image.width // factor, image.height // factor))


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 also where the EXIF data are damaged, for the picture itself may be whole."""
    try:
        with _no_warnings():
            value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - Pillow raises whatever damaged bytes lead it to
        return 1
    return value if isinstance(value, int) and value in _UPRIGHT else 1


def _plain(image: Image.Image) -> Image.Image:
    """The picture in a mode that resamples truly: L, I;16, RGB or RGBA (which Pillow premultiplies)."""
    if image.mode == "I;16" and "transparency" in image.info:
        grey = np.asarray(image)
        opaque = (grey != image.info["transparency"]).astype(np.uint8) * 255
        return Image.fromarray(np.dstack([(grey // 257).astype(np.uint8), opaque]), "LA").convert("RGBA")
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    if image.mode in {"L", "I;16", "RGB"}:
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _resample(image: Image.Image, size: tuple[int, int], spec: ImageSpec) -> Image.Image:
    width, height = image.size
    resampling = _RESAMPLINGS[spec.resampling]
    if spec.fit == "stretch":
        return image.resize(size, resampling)
    scale = spec.crop * min(width / size[0], height / size[1])
    left, top = (max(0.0, (side - scale * target) / 2) for side, target in zip((width, height), size, strict=True))
    return image.resize(size, resampling, box=(left, top, width - left, height - top))


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Pillow warns about odd EXIF tags and animations: nothing that concerns the pixels.

    The filters belong to the whole process, hence the lock.
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

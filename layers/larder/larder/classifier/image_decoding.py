"""Image decoding: from a file's bytes to the pixels that a classifier's graph takes. Training uses it too.

The steps: check the size that the header states; decode (a large JPEG at 1/2, 1/4 or 1/8 of its size); crop and
resample in one step; rotate by the EXIF orientation; convert an embedded colour profile to sRGB, on the few pixels that
are left; blend with the background.
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

from larder.classifier.colour_profiles import colour_mode, to_srgb
from larder.errors import InvalidRequest, TooLarge, UnreadableImage, UnsupportedMedia
from larder.release.serving import ImageSpec

MAX_PIXELS: Final = 50_000_000
FORMATS: Final = "JPEG, PNG, WebP, GIF, HEIC and AVIF"

_MAX_SIDE: Final = 65_535  # the limit of JPEG and GIF; it also limits the resampling weights of a very wide image
_MAX_SCANS: Final = 100  # a progressive JPEG has about ten; thousands of empty scans keep a decoder busy for minutes
_RESAMPLINGS: Final = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# How to undo each EXIF orientation; 5 to 8 swap width and height.
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_OTHER_FORMATS: Final = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"BM", "a BMP image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"<", "HTML, XML or SVG"),
    (b"{", "JSON"),
)
# Brands in the first box of a file of the ISO family. A file of "mif1" states in the same box which coding it has.
_AVIF: Final = frozenset({b"avif", b"avis"})
_HEIF: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)  # neither a restart marker nor a 0xFF byte of data
_lock = threading.Lock()

Pixels = NDArray[np.uint8]


def decode(data: bytes, spec: ImageSpec, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode one image; of an animation, the first frame.

    Args:
        data: A JPEG, PNG, WebP, GIF, HEIC (HEIF) or AVIF file. The content decides the format, never a name or a
            content type.
        spec: The target size, and how to crop and resample to it.
        max_pixels: The limit of width times height, checked in the header before decoding. Decoding takes up to 16
            bytes of memory per pixel (an animated or transparent image), and less than one for a large JPEG.

    Returns:
        uint8 ``[spec.height, spec.width, 3]``, sRGB, rotated by its EXIF orientation.

    Raises:
        InvalidRequest: ``data`` is empty.
        UnsupportedMedia: it has another format.
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
    """The Pillow class that reads ``data``, one of six, imported at its first use.

    ``Image.open`` would import more formats, apply a size limit of the whole process, and treat a phone's JPEG that
    contains a second image as another format.
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
    brands = _brands(data)
    if brands & _AVIF:
        return _avif()
    if brands & _HEIF:
        return _heif()
    raise _unsupported(data)


def _brands(data: bytes) -> frozenset[bytes]:
    """The brands of a file of the ISO family, from its first box: at most 64."""
    if data[4:8] != b"ftyp":
        return frozenset()
    size = min(int.from_bytes(data[:4], "big"), 16 + 4 * 63, len(data))
    return frozenset((data[8:12], *(data[at : at + 4] for at in range(16, size, 4))))


def _avif() -> Callable[[BytesIO], ImageFile.ImageFile]:
    from PIL import AvifImagePlugin

    if not AvifImagePlugin.SUPPORTED:
        raise UnsupportedMedia("This AVIF image needs a Pillow with AVIF, which is not installed: convert it to JPEG.")
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # training decodes on every core, and a Lambda has one
    return AvifImagePlugin.AvifImageFile


def _heif() -> Callable[[BytesIO], ImageFile.ImageFile]:
    try:
        from larder.classifier.heif import HeifImageFile
    except ImportError as error:
        raise UnsupportedMedia(
            "This HEIC image needs the package pi-heif, which is not installed for this platform: convert it to JPEG."
        ) from error
    return HeifImageFile


def _check_scans(data: bytes) -> None:
    """Raise UnreadableImage for a JPEG with too many scans.

    Walks the markers to the end of the image (a phone may append a film), but only if the two bytes that start a scan
    occur often enough.
    """
    if data.count(b"\xff\xda") <= _MAX_SCANS:
        return
    position, scans = 2, 0
    while (marker := _MARKER.search(data, position)) and marker[1] != b"\xd9":
        scans += marker[1] == b"\xda"
        if scans > _MAX_SCANS:
            raise UnreadableImage(f"This JPEG has more than {_MAX_SCANS} scans: save it again as a baseline JPEG.")
        position = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")


def _unsupported(data: bytes) -> InvalidRequest | UnsupportedMedia:
    if not data:
        return InvalidRequest(f"The image is empty: send the bytes of a {FORMATS.replace('and', 'or')} file.")
    name = next((name for magic, name in _OTHER_FORMATS if data.startswith(magic)), "of an unknown format")
    if data[4:8] == b"ftyp":
        name = "a video or of an unknown format"
    return UnsupportedMedia(
        f"These {len(data)} bytes are {name}; {FORMATS} are supported: convert the image to one of them."
    )


def _unreadable(error: Exception) -> UnreadableImage | TooLarge:
    if isinstance(error, Image.DecompressionBombError):  # a GIF's or WebP's canvas, found while its header was read
        return TooLarge(f"{str(error).partition(',')[0]}. Send a smaller image.")
    return UnreadableImage(
        f"This image is truncated or damaged ({str(error)[:80]}): send the whole file, or save it again."
    )


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels or max(width, height) > _MAX_SIDE:
        raise TooLarge(
            f"This image has {width} x {height} = {width * height} pixels; the limit is {max_pixels} pixels, and "
            f"{_MAX_SIDE} per side: scale it down. The model uses a few hundred pixels per side."
        )


def _pixels(image: ImageFile.ImageFile, spec: ImageSpec) -> Pixels:
    if image.format == "JPEG":
        _draft(image, spec)
    image.load()
    orientation = _orientation(image)
    size = (spec.height, spec.width) if orientation >= 5 else (spec.width, spec.height)
    profile_mode = colour_mode(image)
    small = _resample(image if profile_mode == "CMYK" else _plain(image), size, spec)
    if orientation in _UPRIGHT:
        small = small.transpose(_UPRIGHT[orientation])
    if small.mode == "I;16":
        # Pillow's own conversion clips at 255. 65535 / 257 = 255, exactly.
        small = Image.fromarray(np.rint(np.asarray(small) / 257).astype(np.uint8))
    if profile_mode:
        small = to_srgb(small, image.info["icc_profile"], profile_mode)
    if small.mode == "RGBA":
        small = Image.alpha_composite(Image.new("RGBA", small.size, (*spec.background, 255)), small)
    return np.array(small.convert("RGB"))


def _draft(image: ImageFile.ImageFile, spec: ImageSpec) -> None:
    """Let libjpeg decode at 1/2, 1/4 or 1/8 if at least twice the target's pixels remain on each axis.

    The orientation is not known yet, so the shorter side must suffice for the longer target.
    """
    crop = spec.crop if spec.fit == "crop" else 1.0
    scale = crop * min(image.size) / max(spec.width, spec.height) / 2
    factor = next((factor for factor in (8, 4, 2) if scale >= factor), 1)
    if factor > 1:
        image.draft(None, (image.width // factor, image.height // factor))


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 if the EXIF data are damaged, since the image may still be whole."""
    try:
        with _no_warnings():
            value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001  # Pillow raises all kinds of errors on damaged bytes
        return 1
    return value if isinstance(value, int) and value in _UPRIGHT else 1


def _plain(image: Image.Image) -> Image.Image:
    """The image in a mode that resamples correctly: L, I;16, RGB or RGBA (which Pillow premultiplies)."""
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
    """Silence Pillow's warnings about odd EXIF tags and animations, which do not concern the pixels.

    The warning filters are global to the process, so a lock guards them.
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

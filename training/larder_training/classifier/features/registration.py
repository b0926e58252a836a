"""Registers a backbone of one's own: checked as a training checks it, then kept in the cache under a name."""

import tempfile
from pathlib import Path

import onnx
from onnx.external_data_helper import load_external_data_for_model, uses_external_data

from larder.errors import InvalidRequest
from larder_training.classifier.backbones.registered import RegisteredBackbone, check_name, register
from larder_training.classifier.backbones.torch_export import LIBRARIES, export_network
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.classifier.features.backbone import beside_spec, load_backbone


def add_backbone(
    what: str, name: str | None, stated: Preprocessing, *, pretrained: bool = True
) -> tuple[RegisteredBackbone, tuple[str, ...]]:
    """Registers an ONNX file, or a network of timm or torchvision, which is exported first.

    Args:
        what: A path, ``timm:NAME`` or ``torchvision:NAME``.
        name: The name to register it under. None: the file's or the network's.
        stated: Preprocessing that takes precedence over the library's and over ``<file>.json``.
        pretrained: Whether a library loads pretrained weights; else they are random, for a trial.

    Returns:
        The backbone, and what about its preprocessing is not stated anywhere and therefore assumed.

    Raises:
        InvalidRequest: The backbone does not exist, cannot be exported, or the name is invalid or taken.
        InvalidModel: The backbone does not run.
    """
    library, colon, network = what.partition(":")
    if colon and library in LIBRARIES:
        name = name or network.replace(":", "-").lower()
        check_name(name)
        with export_network(library, network, pretrained=pretrained) as exported:
            origin = dict(exported.origin)
            return _register(name, exported.path, stated.over(exported.preprocessing), origin)
    path = Path(what)
    if not path.is_file():
        raise InvalidRequest(
            f"{what!r} is neither a file nor one of {', '.join(f'{name}:NAME' for name in LIBRARIES)}. Check the path."
        )
    name = name or path.stem.lower()
    check_name(name)
    return _register(name, path, stated, {"file": path.name})


def _register(
    name: str, path: Path, stated: Preprocessing, origin: dict[str, object]
) -> tuple[RegisteredBackbone, tuple[str, ...]]:
    features = load_backbone(path, stated, origin)
    spec = stated.over(beside_spec(path))
    model = onnx.load(path, format="protobuf", load_external_data=False)
    if not any(map(uses_external_data, model.graph.initializer)):
        return register(name, path, spec, origin), features.assumed
    load_external_data_for_model(model, str(path.parent))
    with tempfile.TemporaryDirectory(prefix="larder-") as folder:
        whole = Path(folder) / "whole.onnx"
        onnx.save(model, whole)  # with the weights of the other files inside
        return register(name, whole, spec, origin), features.assumed

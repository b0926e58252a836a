"""Exports networks of timm and torchvision to ONNX, with the preprocessing that their library states.

PyTorch is imported only here and only when asked for: Larder does not depend on it.
"""

import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from larder.errors import InvalidRequest
from larder.release.serving import RESAMPLINGS
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.classifier.onnx.graph import OPSET

LIBRARIES: Final = ("timm", "torchvision")


@dataclass(frozen=True, slots=True)
class ExportedNetwork:
    """A network in an ONNX file.

    Attributes:
        path: The file; ``features`` is its output.
        preprocessing: What the library states.
        origin: Library, version, name and licence, for the manifest.
    """

    path: Path
    preprocessing: Preprocessing
    origin: Mapping[str, object]


@contextmanager
def export_network(library: str, name: str, *, pretrained: bool) -> Iterator[ExportedNetwork]:
    """Exports a network to a temporary file, which is removed at the end.

    Args:
        library: "timm" or "torchvision".
        name: The network's name there; in torchvision also ``NAME:WEIGHTS``, such as ``resnet50:IMAGENET1K_V2``.
        pretrained: Whether to load pretrained weights, which the library may download; else they are random.

    Raises:
        InvalidRequest: The library or PyTorch is not installed, knows no such network, or cannot load or export it.
    """
    torch = _import("torch", library)
    create = {"timm": _timm, "torchvision": _torchvision}[library]
    try:
        network, preprocessing, origin = create(_import(library, library), name, pretrained)
    except InvalidRequest:
        raise
    except Exception as error:
        raise InvalidRequest(
            f"{library} cannot make {name!r}: {_reason(error)}. Check the name; pretrained weights need a network or "
            "the library's own cache."
        ) from error
    with tempfile.TemporaryDirectory(prefix="larder-") as folder:
        path = Path(folder) / "backbone.onnx"
        _export(torch, network, preprocessing.input_size or 224, path, f"{library}:{name}")
        yield ExportedNetwork(path, preprocessing, origin)


def _import(module: str, library: str) -> Any:  # noqa: ANN401 - a module without types
    try:
        return import_module(module)
    except ImportError as error:
        packages = "torch timm onnxscript" if library == "timm" else "torch torchvision onnxscript"
        raise InvalidRequest(
            f"{library} needs the package {module}, which is not installed ({error}): pip install {packages}"
        ) from error


def _export(torch: Any, network: Any, size: int, path: Path, title: str) -> None:  # noqa: ANN401 - as above
    """Writes the network in evaluation mode, with a free batch size and all weights inside the file."""
    example = torch.zeros(2, 3, size, size)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of PyTorch about its own exporter
            torch.onnx.export(
                network.eval(),
                (example,),
                str(path),
                opset_version=OPSET,
                dynamo=False,
                input_names=["image"],
                output_names=["features"],
                dynamic_axes={"image": {0: "N"}, "features": {0: "N"}},
            )
    except Exception as error:
        raise InvalidRequest(
            f"{title} cannot be exported to ONNX: {_reason(error)}. Choose another network."
        ) from error


def _reason(error: Exception) -> str:
    """The first line of an error, or its type if it has none."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]


Created = tuple[Any, Preprocessing, dict[str, object]]


def _timm(timm: Any, name: str, pretrained: bool) -> Created:  # noqa: ANN401 - as above; called by position
    """The network without its classes, and the preprocessing of its ``pretrained_cfg``."""
    network = timm.create_model(name, pretrained=pretrained, num_classes=0)
    stated = timm.data.resolve_data_config({}, model=network)
    size = int(stated["input_size"][-1])
    preprocessing = _preprocessing(
        stated["mean"], stated["std"], size, round(size / float(stated["crop_pct"])), str(stated["interpolation"])
    )
    licence = (network.pretrained_cfg or {}).get("license")
    return network, preprocessing, _origin(timm, "timm", name, pretrained, licence)


def _torchvision(torchvision: Any, name: str, pretrained: bool) -> Created:  # noqa: ANN401 - as above
    """The network without its last layer, and the preprocessing of its weights' ``transforms()``."""
    model, _, wanted = name.partition(":")
    enum = torchvision.models.get_model_weights(model)
    weights = enum[wanted] if wanted else enum.DEFAULT
    network = torchvision.models.get_model(model, weights=weights if pretrained else None)
    _without_classes(network)
    stated = weights.transforms()
    size = int(stated.crop_size[0])
    preprocessing = _preprocessing(
        stated.mean, stated.std, size, int(stated.resize_size[0]), str(stated.interpolation.value)
    )
    return network, preprocessing, _origin(torchvision, "torchvision", f"{model}:{weights.name}", pretrained, None)


def _without_classes(network: Any) -> None:  # noqa: ANN401 - as above
    """Replaces the last linear layer by the identity."""
    torch = import_module("torch")
    linear = [name for name, module in network.named_modules() if isinstance(module, torch.nn.Linear)]
    if not linear:
        raise InvalidRequest("The network has no linear layer of classes. Choose another network.")
    owner, _, last = linear[-1].rpartition(".")
    setattr(network.get_submodule(owner), last, torch.nn.Identity())


def _preprocessing(mean: Any, std: Any, size: int, resize: int, resampling: str) -> Preprocessing:  # noqa: ANN401 - as above
    """From the libraries' units, 0..1, to 0..255."""
    known = resampling if resampling in RESAMPLINGS else "bicubic" if resampling == "random" else "bilinear"
    return Preprocessing(
        mean=tuple(round(255 * float(value), 6) for value in mean),
        std=tuple(round(255 * float(value), 6) for value in std),
        resize_short=max(resize, size),
        input_size=size,
        output="features",
        resampling=known,  # type: ignore[arg-type]  # one of RESAMPLINGS
    )


def _origin(library: Any, title: str, name: str, pretrained: bool, licence: str | None) -> dict[str, object]:  # noqa: ANN401 - as above
    stated = {"licence": str(licence)} if licence else {}
    weights = {} if pretrained else {"weights": "random"}
    return {"from": f"{title}:{name}", "version": str(library.__version__), **stated, **weights}

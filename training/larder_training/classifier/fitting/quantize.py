"""Chooses int8 or float32 for the feature graph, by the accuracy on held-out images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray

from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.features.views import plain_views
from larder_training.classifier.onnx.graph import optimise
from larder_training.classifier.onnx.quantization import count_quantizable, is_quantized, quantize_graph
from larder_training.numerics.arrays import Floats
from larder_training.reporting.counts import counted

CALIBRATION_IMAGES: Final = 128  # training images whose activations set the int8 ranges


class Fit(Protocol):
    """A head on the features of one graph, with its predictions of images that it is not fitted on."""

    @property
    def truth(self) -> NDArray[Any]:
        """The labels of these images: ``[n]``, or ``[n, C]`` with any number for an image."""

    def correct(self) -> int:
        """The number of these images that are labelled correctly."""

    def losses(self) -> Floats:
        """``[n]``: the cross-entropy of each."""


F = TypeVar("F", bound=Fit)


@dataclass(frozen=True, slots=True)
class QuantizedFit(Generic[F]):
    """The feature graph that is released, and the head fitted on its features.

    Attributes:
        model: The feature graph, in int8 or float32.
        fit: The head that reads its features.
        float_nodes: The operators that stay in float32. None: quantization was not tried.
        reason: Why the graph stays as it is; empty if it was quantized.
    """

    model: onnx.ModelProto
    fit: F
    float_nodes: tuple[str, ...] | None
    reason: str

    @property
    def quantized(self) -> bool:
        """Whether this step made ``model`` int8. A parent's features may be int8 already."""
        return not self.reason

    def describe(self, features: FeatureGraph) -> dict[str, object]:
        """The data type of the release, made from the float graph ``features``, and why; JSON-ready."""
        return {
            # The features of a parent may be int8 before this training quantizes anything.
            "dtype": "int8" if self.quantized else features.dtype,
            **({"reason": self.reason} if self.reason else {}),
            **({} if self.float_nodes is None else {"float_nodes": list(self.float_nodes)}),
        }


def quantize(
    features: FeatureGraph,
    float_fit: F,
    refit: Callable[[onnx.ModelProto], F],
    train: Sequence[Sample],
    context: ClassifierContext,
) -> QuantizedFit[F]:
    """Quantizes the feature graph and fits the head on it; keeps float32 if int8 loses too much accuracy.

    Args:
        features: The float graph.
        float_fit: The head on its features.
        refit: Fits the head on the features of another graph.
        train: The training images; some of them set the int8 ranges.
        context: Options and progress.
    """
    options, progress = context.options, context.progress
    if reason := reason_for_float(options, features):
        return QuantizedFit(features.model, float_fit, float_nodes=None, reason=reason)
    allowed = allowed_loss(options.max_loss, len(float_fit.truth))
    last_fit: list[F] = []
    float_correct = float_fit.correct()

    def loss(model: onnx.ModelProto) -> float:
        fit = refit(optimise(model, "extended"))
        last_fit[:] = [fit]
        lost = (float_correct - fit.correct()) / len(float_fit.truth)
        return allowed if lost > allowed >= 0 and not less_likely(fit, float_fit) else lost

    taken = np.random.default_rng(options.seed).permutation(len(train))[:CALIBRATION_IMAGES]
    load = plain_views(train, features.image_spec)
    progress.say(f"Quantizing to int8 with {counted(len(taken), 'training image')}")
    calibration_images = [load(int(position)) for position in sorted(taken)]
    result = quantize_graph(features.model, calibration_images, loss, max_loss=allowed, progress=progress)
    if result.model is None:
        reason = f"int8 loses {100 * result.loss:.2f} points on held-out images, more than {100 * allowed:.2g}"
        progress.say(f"The release stays in float32: {reason}")
        return QuantizedFit(features.model, float_fit, float_nodes=result.float_nodes, reason=reason)
    return QuantizedFit(result.model, last_fit[0], float_nodes=result.float_nodes, reason="")


def less_likely(fit: Fit, float_fit: Fit) -> bool:
    """Whether the labels are less likely under ``fit``, by more than the standard error of the difference.

    A few images near the decision boundary change sides by chance; the likelihood of all labels shows real harm.
    """
    difference = fit.losses() - float_fit.losses()
    return float(difference.mean()) > float(difference.std(ddof=1) / np.sqrt(len(difference)))


def allowed_loss(max_loss: float, count: int) -> float:
    """The share of images that int8 may lose: at least one image, which is chance among a few hundred."""
    return max(max_loss, 1 / count) if max_loss >= 0 else max_loss


def reason_for_float(options: ClassifierOptions, features: FeatureGraph) -> str:
    """Why the graph is not quantized at all, or an empty text."""
    if options.dtype == "float32":
        return "float32 was asked for"
    if "from_parent" in features.description:
        return "the parent's features are taken as they are"
    if is_quantized(features.model):
        return "the backbone is quantised already"
    if "builtin" in features.description:
        return "the built-in features have no weights to quantise"
    return "" if count_quantizable(features.model) else "the backbone has no weights to quantise"

"""Makes the one graph that a release serves: quantised where that costs nothing, calibrated, optimised."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from scipy.special import softmax

from larder.release.serving import ClassifierServing
from larder.rollout.onnx_checks import check_graph
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.data.labels import label_indices
from larder_training.classifier.data.manifests import Part
from larder_training.classifier.features.views import plain
from larder_training.classifier.fitting.ask import Answers, ask
from larder_training.classifier.fitting.assemble import with_head
from larder_training.classifier.fitting.final_fit import FinalFit, FinalFitInputs, refit, with_ood_detector
from larder_training.classifier.heads.head import Head
from larder_training.classifier.metrics import calibration
from larder_training.classifier.onnx.graph import optimise, to_bytes
from larder_training.classifier.onnx.quantization import Quantised, quantisable, quantise
from larder_training.numerics.arrays import Floats

CALIBRATION: Final = 128  # training photos whose activations set the int8 ranges
MODEL: Final = "model.onnx"
EVALUATED: Final[tuple[Part, ...]] = ("validation", "test")


@dataclass(frozen=True, slots=True)
class ExportedClassifier:
    """The graph, how it is served, what it says of the judged parts, and how int8 compares with float.

    ``taught`` is the head with the photos that calibrate it, the judged part "validation": out of fold, or the
    validation part. ``in_float`` is the graph in float32 where ``graph`` is int8, else None.
    """

    graph: onnx.ModelProto
    taught: FinalFit
    serving: ClassifierServing
    truth: Mapping[Part, NDArray[np.int64]]
    answers: Mapping[Part, Answers]
    comparison: Mapping[str, object]
    in_float: bytes | None = None

    @property
    def model(self) -> bytes:
        """The bytes of ``model.onnx``."""
        return to_bytes(self.graph)


def export(settled: FinalFitInputs) -> ExportedClassifier:
    """Learns the last head, in int8 if asked and worth it, calibrates it by held-out photos, and joins the graph.

    The test photos are only asked at the end; nothing is chosen by them.
    """
    options, features, parts = settled.context.options, settled.features, settled.parts
    exact = refit(settled, features.model)
    quantised, taught, why = _quantised(settled, exact)
    taught = with_ood_detector(taught, exact)
    temperature = calibration.temperature(taught.logits(), taught.truth)
    chosen = features.model if quantised is None or quantised.model is None else quantised.model
    graph = _whole(settled, chosen, taught.head, temperature)
    columns = settled.choice.beside.columns
    serving = ClassifierServing(MODEL, features.image, parts.labels, (), temperature, None, columns)
    model, photos = to_bytes(graph), parts.parts["test"]
    truth: dict[Part, NDArray[np.int64]] = {"validation": taught.truth, "test": label_indices(photos, parts.labels)}
    probabilities = softmax(taught.logits() / temperature, axis=1).astype(np.float32)
    answers: dict[Part, Answers] = {
        "validation": Answers(probabilities, taught.head.held_out),
        "test": ask(model, photos, serving, title="Asking the release about test", progress=settled.context.progress),
    }
    calibrated = ClassifierServing(
        file=MODEL,
        image=features.image,
        labels=parts.labels,
        thresholds=_thresholds(options, answers["validation"], taught.truth),
        temperature=temperature,
        novelty_threshold=calibration.novelty_threshold(taught.head.held_out, options.false_alarms),
        side=columns,
    )
    check_graph(model, calibrated)  # what the rollout will ask of it
    by_float: dict[Part, Floats] = {
        "validation": exact.logits(),
        "test": exact.head.logits(settled.served(features.model, photos)),
    }
    comparison = _compare(quantised, why, truth, by_float, answers)
    if features.dtype == "int8":
        comparison["dtype"] = features.dtype
    if chosen is features.model:
        return ExportedClassifier(graph, taught, calibrated, truth, answers, comparison)
    in_float = _whole(settled, features.model, exact.head, calibration.temperature(exact.logits(), exact.truth))
    return ExportedClassifier(graph, taught, calibrated, truth, answers, comparison, to_bytes(in_float))


def _thresholds(options: ClassifierOptions, answers: Answers, truth: NDArray[np.int64]) -> tuple[float, ...]:
    if options.precision is None:
        return calibration.thresholds(answers.probabilities, truth)
    return calibration.thresholds_at_precision(answers.probabilities, truth, options.precision)


def _whole(settled: FinalFitInputs, model: onnx.ModelProto, head: Head, temperature: float) -> onnx.ModelProto:
    """The graph that is released: features, what joins them, and the head with its temperature."""
    joined = settled.choice.beside.join(model, settled.features.image)
    made = with_head(joined, head.weights / temperature, head.bias / temperature, head.novelty, head.hidden)
    return optimise(made, "extended")


def _quantised(settled: FinalFitInputs, exact: FinalFit) -> tuple[Quantised | None, FinalFit, str]:
    """The int8 feature graph and the head that learnt from it; or ``exact``, and why it stays in float."""
    options, features, progress = settled.context.options, settled.features, settled.context.progress
    why = _unquantisable(options, features.model)
    if why:
        return None, exact, why
    allowed = _allowed(options.max_loss, len(exact.truth))
    tried: list[FinalFit] = []

    def loss(model: onnx.ModelProto) -> float:
        made = refit(settled, optimise(model, "extended"))
        tried[:] = [made]
        lost = (exact.right() - made.right()) / len(exact.truth)
        return allowed if lost > allowed >= 0 and not _less_likely(made, exact) else lost

    photos = settled.parts.parts["train"]
    taken = np.random.default_rng(options.seed).permutation(len(photos))[:CALIBRATION]
    load = plain(photos, features.image)
    progress.say(f"Quantising to int8 with {len(taken)} training photos")
    quantised = quantise(
        features.model,
        [load(int(i)) for i in sorted(taken)],
        loss,
        max_loss=allowed,
        progress=progress,
    )
    if quantised.model is None:
        why = f"int8 loses {100 * quantised.loss:.2f} points on held-out photos, more than {100 * allowed:.2g}"
        progress.say(f"The release stays in float32: {why}")
        return quantised, exact, why
    return quantised, tried[0], ""


def _less_likely(made: FinalFit, exact: FinalFit) -> bool:
    """Whether ``made`` finds the labels less likely, by more than the standard error of that.

    A few photos at the border fall either way by chance; how likely all labels are tells chance from harm.
    """
    apart = made.losses() - exact.losses()
    return float(apart.mean()) > float(apart.std(ddof=1) / np.sqrt(len(apart)))


def _unquantisable(options: ClassifierOptions, model: onnx.ModelProto) -> str:
    """Why there is nothing to quantise, or nothing."""
    if options.dtype == "float32":
        return "float32 was asked for"
    if options.parent is not None and options.backbone is None:
        return "the parent's features are taken as they are"
    if options.backbone is None:
        return "the built-in features have no weights to quantise"
    return "" if quantisable(model) else "the backbone has no weights to quantise"


def _allowed(max_loss: float, photos: int) -> float:
    """One photo may always be lost: of a few hundred, it is more than any small share, and says nothing."""
    return max(max_loss, 1 / photos) if max_loss >= 0 else max_loss


def _compare(
    quantised: Quantised | None,
    why: str,
    truth: Mapping[Part, NDArray[np.int64]],
    in_float: Mapping[Part, Floats],
    answers: Mapping[Part, Answers],
) -> dict[str, object]:
    """Accuracy of float (its logits) and of the release, and how often they name the same label, by judged part."""
    compared: dict[str, object] = {"dtype": "int8" if quantised and quantised.model is not None else "float32"}
    if why:
        compared["reason"] = why
    if quantised is not None:
        compared["float_nodes"] = list(quantised.float_nodes)
    for part in EVALUATED:
        by_float = in_float[part].argmax(axis=1)
        by_release = answers[part].probabilities.argmax(axis=1)
        compared[part] = {
            "float32_accuracy": float((by_float == truth[part]).mean()),
            "release_accuracy": float((by_release == truth[part]).mean()),
            "agreement": float((by_float == by_release).mean()),
        }
    return compared

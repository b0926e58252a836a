"""Makes the one graph that a release serves: quantised where that costs nothing, calibrated, optimised."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from scipy.special import softmax

from larder.rollout.graph import check_graph
from larder.serving import ClassifierServing
from larder_training.classifier import calibrate
from larder_training.classifier.backbone import Features
from larder_training.classifier.beside import Beside
from larder_training.classifier.dataset import Part
from larder_training.classifier.evaluate import Answers, ask, numbers
from larder_training.classifier.features import embed, plain
from larder_training.classifier.graph import Floats, optimise, to_bytes, with_head
from larder_training.classifier.head import Head
from larder_training.classifier.options import ClassifierOptions
from larder_training.classifier.quantise import Quantised, quantisable, quantise
from larder_training.classifier.refit import Taught
from larder_training.classifier.scan import Checked
from larder_training.classifier.split import Split
from larder_training.progress import Progress

CALIBRATION: Final = 128  # training photos whose activations set the int8 ranges
MODEL: Final = "model.onnx"
JUDGED: Final[tuple[Part, ...]] = ("validation", "test")


@dataclass(frozen=True, slots=True)
class Exported:
    """The graph, how it is served, what it says of the judged parts, and how int8 compares with float.

    ``validation`` are the photos that calibrate (``refit.Taught``): out of fold, or the validation part. ``in_float``
    is the same graph in float32 where ``graph`` is int8, else None.
    """

    graph: onnx.ModelProto
    serving: ClassifierServing
    truth: Mapping[Part, NDArray[np.int64]]
    answers: Mapping[Part, Answers]
    comparison: Mapping[str, object]
    in_float: bytes | None = None

    @property
    def model(self) -> bytes:
        """The bytes of ``model.onnx``."""
        return to_bytes(self.graph)


def export(
    options: ClassifierOptions, features: Features, taught: Taught, beside: Beside, parts: Split, progress: Progress
) -> Exported:
    """Quantises if asked and worth it, calibrates by held-out photos through the graph that was chosen, and joins.

    The test photos are only asked at the end; nothing is chosen by them.
    """
    head, photos = taught.head, {"validation": taught.photos, "test": parts.parts["test"]}
    truth: dict[Part, NDArray[np.int64]] = {
        "validation": taught.truth,
        "test": numbers(parts.parts["test"], parts.labels),
    }
    rows = partial(_rows_of, options, features, beside, progress=progress)
    in_float = {part: rows(features.model, photos[part]) for part in JUDGED}
    quantised, why = _quantised(options, features, taught, parts, in_float["validation"], rows, progress)
    chosen = features.model if quantised is None or quantised.model is None else quantised.model
    released = rows(optimise(chosen, "extended"), taught.photos)
    temperature = calibrate.temperature(taught.logits(released), taught.truth)
    graph = _whole(chosen, features, beside, head, temperature)
    serving = ClassifierServing(MODEL, features.image, parts.labels, (), temperature, None, beside.columns)
    model = to_bytes(graph)
    answers: dict[Part, Answers] = {
        "validation": _held_out(taught, in_float["validation"], released, temperature),
        "test": ask(model, photos["test"], serving, title="Asking the release about test", progress=progress),
    }
    calibrated = ClassifierServing(
        file=MODEL,
        image=features.image,
        labels=parts.labels,
        thresholds=_thresholds(options, answers["validation"], taught.truth),
        temperature=temperature,
        novelty_threshold=calibrate.novelty_threshold(answers["validation"].novelty, options.false_alarms),
        side=beside.columns,
    )
    check_graph(model, calibrated)  # what the rollout will ask of it
    by_float: dict[Part, Floats] = {
        "validation": taught.logits(in_float["validation"]),
        "test": head.logits(in_float["test"]),
    }
    comparison = _compare(quantised, why, truth, by_float, answers)
    if features.dtype == "int8":
        comparison["dtype"] = features.dtype
    if chosen is features.model:
        return Exported(graph, calibrated, truth, answers, comparison)
    exact = _whole(features.model, features, beside, head, temperature)
    return Exported(graph, calibrated, truth, answers, comparison, to_bytes(exact))


def _held_out(taught: Taught, in_float: Floats, released: Floats, temperature: float) -> Answers:
    """What the release would say of the photos that calibrate it, each by a head that has not learnt from it.

    ``in_float`` and ``released`` are what the heads read of them, ``[n, D]``. Novelty is that of the photos which were
    held out where novelty was learnt, moved by what int8 does to it; of photos that it has not learnt from, their own.
    """
    novelty = taught.head.novelty
    scores = novelty.score(released)
    moved = np.median(scores - novelty.score(in_float))
    apart = taught.head.held_out + moved.astype(np.float32)
    probabilities = softmax(taught.logits(released) / temperature, axis=1).astype(np.float32)
    return Answers(probabilities, apart if taught.refitted else np.concatenate([scores, apart]))


def _thresholds(options: ClassifierOptions, answers: Answers, truth: NDArray[np.int64]) -> tuple[float, ...]:
    if options.precision is None:
        return calibrate.thresholds(answers.probabilities, truth)
    return calibrate.thresholds_at_precision(answers.probabilities, truth, options.precision)


def _whole(
    model: onnx.ModelProto, features: Features, beside: Beside, head: Head, temperature: float
) -> onnx.ModelProto:
    """The graph that is released: features, what joins them, and the head with its temperature."""
    joined = beside.join(model, features.image)
    made = with_head(joined, head.weights / temperature, head.bias / temperature, head.novelty, head.hidden)
    return optimise(made, "extended")


def _rows_of(
    options: ClassifierOptions,
    features: Features,
    beside: Beside,
    model: onnx.ModelProto,
    photos: Sequence[Checked],
    *,
    progress: Progress,
) -> Floats:
    """What the head reads: features by the backbone as it learnt from it, or by a graph as it would be released."""
    views, cache = plain(photos, features.image), options.feature_cache()
    found = embed(
        to_bytes(model),
        views,
        outputs=features.outputs,
        optimise=model is features.model,
        cache=cache,
        title="Features of the photos as served",
        progress=progress,
    )
    return beside.onto(found, beside.values(views, cache, progress)) if beside else found


def _quantised(
    options: ClassifierOptions,
    features: Features,
    taught: Taught,
    parts: Split,
    in_float: Floats,
    rows: Callable[[onnx.ModelProto, Sequence[Checked]], Floats],
    progress: Progress,
) -> tuple[Quantised | None, str]:
    """The int8 feature graph, or why there is none."""
    if options.dtype == "float32":
        return None, "float32 was asked for"
    if options.parent is not None and options.backbone is None:
        return None, "the parent's features are taken as they are"
    if options.backbone is None:
        return None, "the built-in features have no weights to quantise"
    if not quantisable(features.model):
        return None, "the backbone has no weights to quantise"
    truth = taught.truth
    right = int((taught.logits(in_float).argmax(axis=1) == truth).sum())
    allowed = _allowed(options.max_loss, len(truth))

    def loss(model: onnx.ModelProto) -> float:
        found = rows(optimise(model, "extended"), taught.photos)
        return (right - int((taught.logits(found).argmax(axis=1) == truth).sum())) / len(truth)

    photos = parts.parts["train"]
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
        return quantised, why
    return quantised, ""


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
    for part in JUDGED:
        by_float = in_float[part].argmax(axis=1)
        by_release = answers[part].probabilities.argmax(axis=1)
        compared[part] = {
            "float32_accuracy": float((by_float == truth[part]).mean()),
            "release_accuracy": float((by_release == truth[part]).mean()),
            "agreement": float((by_float == by_release).mean()),
        }
    return compared

"""Makes the one graph that a release serves: quantised where that costs nothing, calibrated, optimised."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

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
from larder_training.classifier.split import Split
from larder_training.progress import Progress

CALIBRATION: Final = 128  # training photos whose activations set the int8 ranges
MODEL: Final = "model.onnx"
JUDGED: Final[tuple[Part, ...]] = ("validation", "test")


@dataclass(frozen=True, slots=True)
class Exported:
    """The graph, how it is served, what it says of the judged parts, and how int8 compares with float.

    ``in_float`` is the same graph in float32 where ``graph`` is int8, else None.
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
    options: ClassifierOptions, features: Features, head: Head, beside: Beside, parts: Split, progress: Progress
) -> Exported:
    """Quantises if asked and worth it, calibrates on validation photos through the graph that was chosen, and joins.

    The test photos are only asked at the end; nothing is chosen by them.
    """
    truth = {part: numbers(parts.parts[part], parts.labels) for part in JUDGED}
    rows = partial(_rows_of, options, features, beside, parts, progress=progress)
    in_float = {part: rows(features.model, part) for part in JUDGED}
    quantised, why = _quantised(options, features, head, parts, in_float["validation"], rows, progress)
    chosen = features.model if quantised is None or quantised.model is None else quantised.model
    validation = rows(optimise(chosen, "extended"), "validation")
    temperature = _temperature(head, validation, truth["validation"])
    graph = _whole(chosen, features, beside, head, temperature)
    serving = ClassifierServing(MODEL, features.image, parts.labels, (), temperature, None, beside.columns)
    model = to_bytes(graph)
    answers = {
        part: ask(model, parts.parts[part], serving, title=f"Asking the release about {part}", progress=progress)
        for part in JUDGED
    }
    calibrated = ClassifierServing(
        file=MODEL,
        image=features.image,
        labels=parts.labels,
        thresholds=_thresholds(options, answers["validation"], truth["validation"]),
        temperature=temperature,
        novelty_threshold=_limit(options, head, in_float["validation"], answers["validation"]),
        side=beside.columns,
    )
    check_graph(model, calibrated)  # what the rollout will ask of it
    comparison = _compare(quantised, why, head, truth, in_float, answers)
    if features.dtype == "int8":
        comparison["dtype"] = features.dtype
    if chosen is features.model:
        return Exported(graph, calibrated, truth, answers, comparison)
    exact = _whole(features.model, features, beside, head, temperature)
    return Exported(graph, calibrated, truth, answers, comparison, to_bytes(exact))


def _temperature(head: Head, validation: Floats, truth: NDArray[np.int64]) -> float:
    """By the validation photos through the released graph, and by what cross-validation held out of the others.

    Several times as many photos: on photos10 the held-out loss falls by 4 %, the calibration error from 1.8 to 1.5 %.
    """
    logits, apart = head.logits(validation), head.search.held_out
    if apart is None:
        return calibrate.temperature(logits, truth)
    return calibrate.temperature(np.concatenate([logits, apart.logits]), np.concatenate([truth, apart.labels]))


def _thresholds(options: ClassifierOptions, answers: Answers, truth: NDArray[np.int64]) -> tuple[float, ...]:
    if options.precision is None:
        return calibrate.thresholds(answers.probabilities, truth)
    return calibrate.thresholds_at_precision(answers.probabilities, truth, options.precision)


def _limit(options: ClassifierOptions, head: Head, in_float: Floats, answers: Answers) -> float:
    """By validation photos and by the training photos held out, these moved by what int8 does to novelty."""
    image = in_float[:, : len(head.novelty.middle)]  # what stands beside it says nothing about novelty
    moved = np.median(answers.novelty - head.novelty.score(image))
    novelty = np.concatenate([answers.novelty, head.held_out + moved.astype(np.float32)])
    return calibrate.novelty_threshold(novelty, options.false_alarms)


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
    parts: Split,
    model: onnx.ModelProto,
    part: Part,
    *,
    progress: Progress,
) -> Floats:
    """What the head reads: features by the backbone as it learnt from it, or by a graph as it would be released."""
    views, cache = plain(parts.parts[part], features.image), options.feature_cache()
    found = embed(
        to_bytes(model),
        views,
        optimise=model is features.model,
        cache=cache,
        title=f"Features of the {part} photos",
        progress=progress,
    )
    return beside.onto(found, beside.values(views, cache, progress)) if beside else found


def _quantised(
    options: ClassifierOptions,
    features: Features,
    head: Head,
    parts: Split,
    in_float: Floats,
    rows: Callable[[onnx.ModelProto, Part], Floats],
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
    truth = numbers(parts.parts["validation"], parts.labels)
    right = int((head.logits(in_float).argmax(axis=1) == truth).sum())
    allowed = _allowed(options.max_loss, len(truth))

    def loss(model: onnx.ModelProto) -> float:
        found = rows(optimise(model, "extended"), "validation")
        return (right - int((head.logits(found).argmax(axis=1) == truth).sum())) / len(truth)

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
        why = f"int8 loses {100 * quantised.loss:.2f} points of validation accuracy, more than {100 * allowed:.2g}"
        progress.say(f"The release stays in float32: {why}")
        return quantised, why
    return quantised, ""


def _allowed(max_loss: float, photos: int) -> float:
    """One photo may always be lost: of a few hundred, it is more than any small share, and says nothing."""
    return max(max_loss, 1 / photos) if max_loss >= 0 else max_loss


def _compare(
    quantised: Quantised | None,
    why: str,
    head: Head,
    truth: Mapping[Part, NDArray[np.int64]],
    in_float: Mapping[Part, Floats],
    answers: Mapping[Part, Answers],
) -> dict[str, object]:
    """Accuracy of float and of the release, and how often they name the same label, on each judged part."""
    compared: dict[str, object] = {"dtype": "int8" if quantised and quantised.model is not None else "float32"}
    if why:
        compared["reason"] = why
    if quantised is not None:
        compared["float_nodes"] = list(quantised.float_nodes)
    for part in JUDGED:
        by_float = head.logits(in_float[part]).argmax(axis=1)
        by_release = answers[part].probabilities.argmax(axis=1)
        compared[part] = {
            "float32_accuracy": float((by_float == truth[part]).mean()),
            "release_accuracy": float((by_release == truth[part]).mean()),
            "agreement": float((by_float == by_release).mean()),
        }
    return compared

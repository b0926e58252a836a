"""Makes the one graph that a release serves: quantised where that costs nothing, calibrated, optimised."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from larder.rollout.graph import check_graph
from larder.serving import ClassifierServing
from larder_training.classifier import calibrate
from larder_training.classifier.backbone import Features
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
    """The graph, how it is served, what it says of the judged parts, and how int8 compares with float."""

    graph: onnx.ModelProto
    serving: ClassifierServing
    truth: Mapping[Part, NDArray[np.int64]]
    answers: Mapping[Part, Answers]
    comparison: Mapping[str, object]

    @property
    def model(self) -> bytes:
        """The bytes of ``model.onnx``."""
        return to_bytes(self.graph)


def export(options: ClassifierOptions, features: Features, head: Head, parts: Split, progress: Progress) -> Exported:
    """Quantises if asked and worth it, calibrates on validation photos through the graph that was chosen, and joins.

    The test photos are only asked at the end; nothing is chosen by them.
    """
    truth = {part: numbers(parts.parts[part], parts.labels) for part in JUDGED}
    in_float = {part: _features_of(options, features.model, features, parts, part, progress) for part in JUDGED}
    quantised, why = _quantised(options, features, head, parts, in_float["validation"], progress)
    chosen = features.model if quantised is None or quantised.model is None else quantised.model
    validation = _features_of(options, optimise(chosen, "extended"), features, parts, "validation", progress)
    temperature = calibrate.temperature(head.logits(validation), truth["validation"])
    joined = with_head(chosen, head.weights / temperature, head.bias / temperature, head.means, head.hidden)
    graph = optimise(joined, "extended")
    serving = ClassifierServing(MODEL, features.image, parts.labels, (), temperature, None)
    model = to_bytes(graph)
    answers = {
        part: ask(model, parts.parts[part], serving, title=f"Asking the release about {part}", progress=progress)
        for part in JUDGED
    }
    calibrated = ClassifierServing(
        file=MODEL,
        image=features.image,
        labels=parts.labels,
        thresholds=calibrate.thresholds(answers["validation"].probabilities, truth["validation"]),
        temperature=temperature,
        novelty_threshold=calibrate.novelty_threshold(answers["validation"].novelty),
    )
    check_graph(model, calibrated)  # what the rollout will ask of it
    comparison = _compare(quantised, why, head, truth, in_float, answers)
    return Exported(graph, calibrated, truth, answers, comparison)


def _features_of(
    options: ClassifierOptions,
    model: onnx.ModelProto,
    features: Features,
    parts: Split,
    part: Part,
    progress: Progress,
) -> Floats:
    """Features by the backbone as the head learnt from it, or by a graph as it would be released."""
    return embed(
        to_bytes(model),
        plain(parts.parts[part], features.image),
        optimise=model is features.model,
        cache=options.feature_cache(),
        title=f"Features of the {part} photos",
        progress=progress,
    )


def _quantised(
    options: ClassifierOptions, features: Features, head: Head, parts: Split, in_float: Floats, progress: Progress
) -> tuple[Quantised | None, str]:
    """The int8 feature graph, or why there is none."""
    if options.dtype == "float32":
        return None, "float32 was asked for"
    if options.backbone is None:
        return None, "the built-in features have no weights to quantise"
    if not quantisable(features.model):
        return None, "the backbone has no weights to quantise"
    truth = numbers(parts.parts["validation"], parts.labels)
    accuracy = float((head.logits(in_float).argmax(axis=1) == truth).mean())

    def loss(model: onnx.ModelProto) -> float:
        found = _features_of(options, optimise(model, "extended"), features, parts, "validation", progress)
        return accuracy - float((head.logits(found).argmax(axis=1) == truth).mean())

    photos = parts.parts["train"]
    taken = np.random.default_rng(options.seed).permutation(len(photos))[:CALIBRATION]
    load = plain(photos, features.image)
    progress.say(f"Quantising to int8 with {len(taken)} training photos")
    quantised = quantise(
        features.model, [load(int(i)) for i in sorted(taken)], loss, max_loss=options.max_loss, progress=progress
    )
    if quantised.model is None:
        why = (
            f"int8 loses {100 * quantised.loss:.2f} points of validation accuracy, more than {100 * options.max_loss:g}"
        )
        progress.say(f"The release stays in float32: {why}")
        return quantised, why
    return quantised, ""


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

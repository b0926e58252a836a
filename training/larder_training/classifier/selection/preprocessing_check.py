"""Notices a scaling of the input that a backbone was not trained with, on a sample of the training images.

Some images are run with the stated scaling and with the usual ones. The best of these, the challenger, is compared with
the stated one on other images, so that luck does not choose it. There are two measures.

Certainty, if the backbone has ImageNet's classes: with the right scaling, it is certain of the classes of an image, and
they differ between images. The certainty of an image is the Kullback-Leibler divergence of its classes from their mean
over all images, minus their entropy. Images that resemble nothing in ImageNet (digits, X-rays) show nothing.

Likeness: pixels far outside the network's range saturate it, and pixels that hardly differ leave it blind. Either makes
the features of all images alike: the mean cosine similarity of two images is high.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, rel_entr

from larder_training.classifier.backbones.zoo import IMAGENET_MEAN, IMAGENET_STD
from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.features.views import plain_views
from larder_training.classifier.selection.scaled_network import InputScaling, Outputs, ScaledNetwork
from larder_training.numerics.arrays import Floats
from larder_training.numerics.parallel import map_in_order

SCREENED: Final = 16  # images on which the challenger is chosen
COMPARED: Final = 96  # others, on which it is compared with the stated scaling
LEAST_COMPARED: Final = 24
LEAST_INFORMATION: Final = 1.0  # nats; below that the images resemble nothing in ImageNet
LEAST_GAIN: Final = 0.2  # nats of certainty
STANDARD_ERRORS: Final = 3.0  # that the certainty must be higher by
AGREEING_ERRORS: Final = 2.0  # enough where the features are less alike too, by
AGREEING_LIKENESS: Final = 0.015
LESS_ALIKE: Final = 0.15  # is enough by itself

Measure = Literal["certainty", "likeness"]
Judge = Callable[[Outputs, Outputs], tuple[float, float] | None]

IMAGENET: Final = InputScaling(IMAGENET_MEAN, IMAGENET_STD)
USUAL: Final = (
    InputScaling((127.5,), (127.5,)),
    IMAGENET,
    InputScaling((0.0,), (255.0,)),
    InputScaling(IMAGENET.mean, (1.0,)),
    InputScaling((0.0,), (1.0,)),
)


@dataclass(frozen=True, slots=True)
class BetterScaling:
    """A scaling that looks better than the stated one.

    Attributes:
        scaling: The better scaling.
        measure: The measure by which it is better.
        stated: Mean certainty, in nats, or likeness with the stated scaling.
        better: The same with ``scaling``.
    """

    scaling: InputScaling
    measure: Measure
    stated: float
    better: float

    def describe(self) -> dict[str, object]:
        """For the manifest."""
        return {
            "mean": list(self.scaling.mean),
            "std": list(self.scaling.std),
            "bgr": self.scaling.bgr,
            "measure": self.measure,
            "measured": round(self.better, 4),
            "measured_as_stated": round(self.stated, 4),
        }

    def warning(self, used: InputScaling, images: int) -> str:
        """The warning, on so many images."""
        what, name = {
            "certainty": ("is more certain of its own classes", "certainty"),
            "likeness": ("separates the images better", "mean similarity of two images"),
        }[self.measure]
        remedy = "Export it for red, green, blue" if self.scaling.bgr else "Check what it was trained with"
        return (
            f"The preprocessing looks wrong: the backbone {what} with {self.scaling} than with {used} ({name} "
            f"{self.better:.2f} in place of {self.stated:.2f}, on {images} images). {remedy}."
        )


def check_preprocessing(features: FeatureGraph, samples: Sequence[Sample], context: ClassifierContext) -> FeatureGraph:
    """Warns of a scaling that looks better than that of ``features``, and notes the outcome for the manifest.

    Args:
        features: A feature graph; without a ``file``, there is nothing to check.
        samples: Training images; a sample is run.
        context: The seed, and the progress that warns.
    """
    if features.file is None or len(samples) < SCREENED + LEAST_COMPARED:
        return features
    taken = np.random.default_rng(context.seed).permutation(len(samples))[: SCREENED + COMPARED]
    network = ScaledNetwork.of(features, features.file)
    views = plain_views([samples[int(position)] for position in taken], features.image_spec)
    with context.progress.task("Checking the preprocessing", 1) as advance:
        pixels = np.concatenate(list(map_in_order(views, range(len(taken)))))
        found = find_better(network, pixels)
        advance(1)
    if found is not None:
        context.progress.warn(found.warning(network.used, len(taken) - SCREENED))
    outcome = {
        "images": len(taken),
        "measures": ["certainty", "likeness"] if network.classes else ["likeness"],
        "better": found.describe() if found else None,
    }
    return replace(features, description={**features.description, "preprocessing_check": outcome})


def find_better(network: ScaledNetwork, images: NDArray[np.uint8]) -> BetterScaling | None:
    """A usual scaling that looks better than the network's own, or None.

    Args:
        network: The network with its own scaling.
        images: Images ``[N, H, W, 3]``; the first ``SCREENED`` choose the challenger.
    """
    used, (screened, compared) = network.used, np.split(images, [SCREENED])
    others = [scaling for scaling in (*USUAL, replace(used, bgr=True)) if not scaling.like(used)]
    first = network(screened, used)
    challengers = {scaling: outputs for scaling in others if (outputs := network(screened, scaling)).finite}
    candidates: tuple[tuple[Measure, InputScaling | None, Judge], ...] = (
        ("certainty", _most_certain(first, challengers), _more_certain),
        ("likeness", _least_alike(first, challengers), _less_alike),
    )
    as_stated: Outputs | None = None
    for measure, challenger, judge in candidates:
        if challenger is None:
            continue
        as_stated = as_stated or network(compared, used)
        if values := judge(as_stated, network(compared, challenger)):
            return BetterScaling(challenger, measure, *values)
    return None


@dataclass(frozen=True, slots=True)
class Certainty:
    """How certain a network is of its classes, in nats.

    Attributes:
        information: Divergence of the classes of each image from their mean ``[images]``.
        entropy: Entropy of the classes of each image ``[images]``.
    """

    information: Floats
    entropy: Floats

    @classmethod
    def of(cls, classes: Floats) -> "Certainty":
        """The certainty of probabilities ``[images, classes]``."""
        exact = classes.astype(np.float64)
        return cls(rel_entr(exact, exact.mean(axis=0)).sum(axis=1), entr(exact).sum(axis=1))

    @property
    def scores(self) -> Floats:
        """Of each image; the higher, the more likely the scaling is right."""
        return self.information - self.entropy


def likeness(features: Floats) -> float:
    """The mean cosine similarity of two of the rows ``[images, D]``."""
    norms = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    total = (features / np.maximum(norms, np.finfo(np.float64).tiny)).sum(axis=0)
    count = len(features)
    return float((total @ total - count) / (count * (count - 1)))


def _most_certain(stated: Outputs, challengers: Mapping[InputScaling, Outputs]) -> InputScaling | None:
    """The most certain of the challengers that do not make the images more alike than as stated; None without one."""
    if not stated.classes.size:
        return None
    least = Certainty.of(stated.classes).information.mean()
    scores = {}
    for scaling, outputs in challengers.items():
        certainty = Certainty.of(outputs.classes)
        if certainty.information.mean() >= least:
            scores[scaling] = float(certainty.scores.mean())
    return max(scores, key=lambda scaling: scores[scaling], default=None)


def _more_certain(stated: Outputs, challenger: Outputs) -> tuple[float, float] | None:
    """The mean scores as stated and of the challenger, if the challenger is better beyond noise."""
    before, after = Certainty.of(stated.classes), Certainty.of(challenger.classes)
    gains = after.scores - before.scores
    agreeing = likeness(stated.features) - likeness(challenger.features) >= AGREEING_LIKENESS
    noise = float(gains.std(ddof=1)) / np.sqrt(len(gains))
    least = max(LEAST_GAIN, noise * (AGREEING_ERRORS if agreeing else STANDARD_ERRORS))
    informed = after.information.mean() >= max(LEAST_INFORMATION, before.information.mean())
    return (float(before.scores.mean()), float(after.scores.mean())) if informed and gains.mean() > least else None


def _least_alike(stated: Outputs, challengers: Mapping[InputScaling, Outputs]) -> InputScaling | None:
    """The challenger with the least alike features, if they are far less alike than as stated."""
    measured = {scaling: likeness(outputs.features) for scaling, outputs in challengers.items()}
    best = min(measured, key=lambda scaling: measured[scaling], default=None)
    return best if best and likeness(stated.features) - measured[best] > LESS_ALIKE else None


def _less_alike(stated: Outputs, challenger: Outputs) -> tuple[float, float] | None:
    """The likeness as stated and of the challenger, if that is far less."""
    before, after = likeness(stated.features), likeness(challenger.features)
    return (before, after) if before - after > LESS_ALIKE else None

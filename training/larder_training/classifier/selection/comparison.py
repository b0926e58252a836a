"""Paired comparison of candidates that are cross-validated on the same held-out images."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from larder_training.numerics.arrays import Floats
from larder_training.reporting.values import Estimate, Numeral, number, percent


@dataclass(frozen=True, slots=True)
class CandidateScore:
    """The score of one candidate on the held-out images.

    Attributes:
        loss: Mean cross-entropy.
        accuracy: Share of images with the right label.
        worse: Difference between ``loss`` and the lowest loss of all candidates.
        standard_error: Of ``worse``, over the images.
    """

    loss: float
    accuracy: float
    worse: float
    standard_error: float

    def numbers(self) -> dict[str, float]:
        """JSON-ready."""
        return {
            "loss": round(self.loss, 6),
            "accuracy": round(self.accuracy, 6),
            "worse_than_best": round(self.worse, 6),
            "standard_error": round(self.standard_error, 6),
        }

    def cells(self) -> tuple[Numeral, Estimate, Numeral]:
        """Cells of the report: loss, difference to the best, held-out accuracy."""
        return (
            number(self.loss),
            Estimate(number(self.worse), f"± {number(self.standard_error)}"),
            percent(self.accuracy),
        )


def trial_lines(stage: str, rows: Iterable[Mapping[str, object]]) -> bytes:
    """Lines of ``trials.jsonl``, one per candidate, with its ``stage``."""
    return "".join(f"{json.dumps({'stage': stage, **row}, sort_keys=True)}\n" for row in rows).encode()


def compare_to_best(results: Sequence[tuple[Floats, Floats]]) -> Iterator[tuple[float, float, float, float]]:
    """The four fields of ``CandidateScore`` for each candidate, from each image's loss and whether it is correct."""
    best = min((losses for losses, _ in results), key=lambda losses: float(losses.mean()))
    for losses, right in results:
        difference = losses - best
        error = float(difference.std() / np.sqrt(len(difference)))
        yield float(losses.mean()), float(right.mean()), float(difference.mean()), error

"""What a search tried: each trial with its cross-validated loss, which one wins, and how that is told."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from larder_training.classifier.heads.config import FAMILIES, HeadConfig
from larder_training.reporting.html import Section, figure, paragraph, table

TRIALS: Final = "trials.jsonl"
LISTED: Final = 40  # trials in the manifest; all are in trials.jsonl
_NAMES: Final = {"l2": "linear, L2", "l1": "linear, L1", "elastic": "linear, elastic net", "hidden": "hidden layer"}


@dataclass(frozen=True, slots=True)
class Trial:
    """One recipe, judged by cross-validation.

    ``loss`` is the mean cross-entropy of the held-out photos after one temperature, ``standard_error`` that of the
    folds' mean; ``accuracy`` is the share of held-out photos labelled right, ``epochs`` the folds' median at early
    stopping.
    """

    number: int
    config: HeadConfig
    loss: float
    standard_error: float
    accuracy: float
    fold_losses: tuple[float, ...]
    temperature: float
    epochs: int = 0

    def describe(self) -> dict[str, object]:
        """JSON-ready."""
        return {
            "trial": self.number,
            **self.config.describe(),
            "loss": round(self.loss, 6),
            "standard_error": round(self.standard_error, 6),
            "accuracy": round(self.accuracy, 6),
            "fold_losses": [round(loss, 6) for loss in self.fold_losses],
            "temperature": round(self.temperature, 4),
            **({"epochs": self.epochs} if self.epochs else {}),
        }


@dataclass(frozen=True, slots=True)
class Search:
    """All trials in their order; ``folds`` of the cross-validation; ``each_class_alike``: how the loss was averaged."""

    trials: tuple[Trial, ...]
    folds: int
    each_class_alike: bool = False
    out_of_time: bool = False

    @property
    def best(self) -> Trial:
        """The least loss."""
        return min(self.trials, key=lambda trial: trial.loss)

    @property
    def chosen(self) -> Trial:
        """The simplest whose loss is within one standard error of the best's; of equally simple ones the least loss.

        Breiman, Friedman, Olshen and Stone, "Classification and Regression Trees" (1984), section 3.4.3. All trials
        share their folds, so the standard error is that of the difference to the best, fold by fold: whether a fold
        is hard says nothing about which head is better.
        """
        as_good = (trial for trial in self.trials if trial.loss - self.best.loss <= self.doubt(trial))
        return min(as_good, key=lambda trial: (trial.config.complexity, trial.loss, trial.number))

    def doubt(self, trial: Trial) -> float:
        """The standard error of the difference between a trial's loss and the best one's."""
        apart = np.subtract(trial.fold_losses, self.best.fold_losses)
        return float(np.std(apart, ddof=1) / np.sqrt(len(apart)))

    def explain(self) -> str:
        """In plain words, what was chosen and why."""
        best, chosen = self.best, self.chosen
        told = f"{len(self.trials)} heads were tried by {self.folds}-fold cross-validation"
        if chosen is best:
            return f"{told}. The best one is also the simplest that is as good: {chosen.config}."
        return (
            f"{told}. The least loss was {best.loss:.4f} ({best.config}). The simplest head that is as good, within "
            f"one standard error ({self.doubt(chosen):.4f}), was taken: {chosen.config}, {chosen.loss:.4f}."
        )

    def jsonl(self) -> bytes:
        """``trials.jsonl``: one line a trial."""
        lines = (
            json.dumps({**trial.describe(), "chosen": trial is self.chosen}, sort_keys=True) for trial in self.trials
        )
        return "".join(f"{line}\n" for line in lines).encode()

    def describe(self) -> dict[str, object]:
        """For the manifest: bounded, the whole list is ``trials.jsonl``."""
        kept = sorted(self.trials, key=lambda trial: trial.loss)[:LISTED]
        listed = sorted({trial.number: trial for trial in (*kept, self.chosen)}.values(), key=lambda t: t.number)
        return {
            "rule": "simplest within one standard error of its difference to the best, then the least loss",
            "loss": "cross-entropy after one temperature"
            + (", each class counting alike" if self.each_class_alike else ""),
            "folds": self.folds,
            "number": len(self.trials),
            "out_of_time": self.out_of_time,
            "chosen": self.chosen.number,
            "best": self.best.number,
            "trials": [trial.describe() for trial in listed],
        }


def trials_section(search: Search) -> Section:
    """The report's section: the rule in words, a plot of every trial, and the best ones in a table."""
    order = sorted(search.trials, key=lambda trial: (trial.loss, trial.number))
    shown: Sequence[Trial] = order[:LISTED] if search.chosen in order[:LISTED] else [*order[:LISTED], search.chosen]
    rows = [
        (
            f"{trial.number}: {trial.config}" + (" (chosen)" if trial is search.chosen else ""),
            f"{trial.loss:.4f}",
            f"{trial.loss - search.best.loss:.4f} (± {search.doubt(trial):.4f})",
            f"{100 * trial.accuracy:.2f} %",
        )
        for trial in shown
    ]
    return Section.of(
        "Trials",
        paragraph(search.explain()),
        _plot(search),
        table(("Trial", "Loss", "Worse than the best by", "Held-out photos right"), rows),
    )


def _plot(search: Search) -> str:
    drawing = Figure(figsize=(7, 4))
    axes = drawing.add_subplot()
    for family in FAMILIES:
        own = [trial for trial in search.trials if trial.config.family == family]
        if own:
            numbers, losses = [trial.number for trial in own], [trial.loss for trial in own]
            errors = [trial.standard_error for trial in own]
            axes.errorbar(numbers, losses, yerr=errors, fmt="o", capsize=2, label=_NAMES[family])
    axes.axhline(search.best.loss, color="grey", linestyle="--", label="least loss")
    axes.plot(search.chosen.number, search.chosen.loss, "o", markersize=14, fillstyle="none", color="black")
    axes.set(xlabel="trial", ylabel="cross-validated loss", yscale="log")
    axes.legend()
    return figure(drawing, "Every trial's loss with its standard error; the ring is the one that was chosen.")

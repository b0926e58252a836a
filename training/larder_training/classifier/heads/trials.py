"""The trials of a head search, the rule that chooses one, and their section of the report."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from larder_training.classifier.heads.config import FAMILIES, HeadConfig
from larder_training.reporting.counts import counted
from larder_training.reporting.html import Block, Section, figure, paragraph, table
from larder_training.reporting.plots import COLOURS, INK, drawing_of, legend_above
from larder_training.reporting.values import Estimate, number, percent

TRIALS: Final = "trials.jsonl"
LISTED: Final = 40  # trials in the manifest; trials.jsonl has all
_NAMES: Final = {
    "l2": "linear, L2 penalty",
    "l1": "linear, L1 penalty",
    "elastic": "linear, both penalties",
    "hidden": "hidden layer",
}


@dataclass(frozen=True, slots=True)
class HeadTrial:
    """One configuration and its cross-validated scores.

    Attributes:
        number: Counts the trials from 1.
        config: The hyperparameters.
        loss: Mean cross-entropy of the held-out images, with one temperature applied.
        standard_error: Of the mean over the folds.
        accuracy: Share of the held-out images with the right label.
        fold_losses: The loss of each fold.
        temperature: What the logits were divided by.
        epochs: Median over the folds of the epochs at early stopping; 0 for a linear head.
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
class HeadSearch:
    """The trials of a search.

    Attributes:
        trials: All trials, in their order.
        folds: Folds of the cross-validation.
        balanced: Whether each class has the same weight in the loss.
        out_of_time: Whether the time limit ended the search.
    """

    trials: tuple[HeadTrial, ...]
    folds: int
    balanced: bool = False
    out_of_time: bool = False

    @property
    def best(self) -> HeadTrial:
        """The trial with the lowest loss."""
        return min(self.trials, key=lambda trial: trial.loss)

    @property
    def chosen(self) -> HeadTrial:
        """The simplest trial within one standard error of the best; among equally simple ones, the lowest loss.

        Breiman, Friedman, Olshen and Stone, "Classification and Regression Trees" (1984), section 3.4.3. All trials
        share their folds, so the standard error is that of the paired difference to the best trial: a hard fold is hard
        for every head.
        """
        candidates = (trial for trial in self.trials if trial.loss - self.best.loss <= self.standard_error(trial))
        return min(candidates, key=lambda trial: (trial.config.complexity, trial.loss, trial.number))

    def standard_error(self, trial: HeadTrial) -> float:
        """The standard error of the difference between a trial's loss and the best one."""
        differences = np.subtract(trial.fold_losses, self.best.fold_losses)
        return float(np.std(differences, ddof=1) / np.sqrt(len(differences)))

    def explain(self) -> str:
        """A sentence or two about the choice."""
        best, chosen = self.best, self.chosen
        summary = (
            f"{counted(len(self.trials), 'head was', 'heads were')} compared by {self.folds}-fold cross-validation"
        )
        if chosen is best:
            return f"{summary}. The best head was chosen: {chosen.config}."
        return (
            f"{summary}. The lowest loss is {number(best.loss)} ({best.config}). The simplest head within one standard "
            f"error ({number(self.standard_error(chosen))}) was chosen: {chosen.config}, {number(chosen.loss)}."
        )

    def jsonl(self) -> bytes:
        """``trials.jsonl``: one line per trial."""
        chosen = self.chosen  # computed from all trials
        lines = (json.dumps({**trial.describe(), "chosen": trial is chosen}, sort_keys=True) for trial in self.trials)
        return "".join(f"{line}\n" for line in lines).encode()

    def describe(self) -> dict[str, object]:
        """For the manifest: the best ``LISTED`` trials; ``trials.jsonl`` has all."""
        best = sorted(self.trials, key=lambda trial: trial.loss)[:LISTED]
        listed = sorted({trial.number: trial for trial in (*best, self.chosen)}.values(), key=lambda t: t.number)
        return {
            "rule": "simplest within one standard error of its difference to the best, then the least loss",
            "loss": "cross-entropy after one temperature" + (", classes balanced" if self.balanced else ""),
            "folds": self.folds,
            "number": len(self.trials),
            "out_of_time": self.out_of_time,
            "chosen": self.chosen.number,
            "best": self.best.number,
            "trials": [trial.describe() for trial in listed],
        }


def trials_section(search: HeadSearch) -> Section:
    """The report's section: the rule, a plot of all trials, and a table of the best."""
    order = sorted(search.trials, key=lambda trial: (trial.loss, trial.number))
    listed: Sequence[HeadTrial] = (
        order[:LISTED] if search.chosen in order[:LISTED] else [*order[:LISTED], search.chosen]
    )
    rows = [
        (
            f"{trial.number}: {trial.config}" + (" (chosen)" if trial is search.chosen else ""),
            number(trial.loss),
            Estimate(number(trial.loss - search.best.loss), f"± {number(search.standard_error(trial))}"),
            percent(trial.accuracy),
        )
        for trial in listed
    ]
    return Section.of(
        "Trials",
        paragraph(search.explain()),
        _plot(search),
        table(("Trial", "Loss", "Difference to the best", "Held-out accuracy"), rows),
    )


def _plot(search: HeadSearch) -> Block:
    drawing, axes = drawing_of(height=3.4)
    for family in FAMILIES:
        trials = [trial for trial in search.trials if trial.config.family == family]
        if trials:
            numbers, losses = [trial.number for trial in trials], [trial.loss for trial in trials]
            errors = [trial.standard_error for trial in trials]
            axes.errorbar(numbers, losses, yerr=errors, fmt="o", capsize=2, label=_NAMES[family])
    axes.axhline(search.best.loss, color=COLOURS[-1], linestyle="--", label="lowest loss")
    axes.plot(search.chosen.number, search.chosen.loss, "o", markersize=14, fillstyle="none", color=INK)
    axes.set(xlabel="trial", ylabel="cross-validated loss", yscale="log")
    axes.locator_params(axis="x", integer=True)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    legend_above(axes)
    return figure(drawing, "The loss of each trial with its standard error; the ring marks the chosen one.")

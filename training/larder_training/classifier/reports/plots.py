"""Plots of a classifier's report."""

from collections.abc import Sequence
from typing import Final
from unicodedata import bidirectional

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from numpy.typing import NDArray

from larder_training.classifier.metrics.calibration import reliability
from larder_training.numerics.arrays import Floats
from larder_training.reporting.plots import COLOURS, INK, WIDTH, drawing_of, legend_above

DRAWN: Final = 60  # labels up to which the confusion matrix is drawn
_NUMBERED: Final = 20  # labels up to which its cells have numbers
_LONG: Final = 24  # letters of a label on its axes
_STRONGEST: Final = 0.55  # opacity of a full cell, on which the number is readable on a light and a dark page


def confusion_matrix(matrix: NDArray[np.int64], labels: Sequence[str]) -> tuple[Figure, bool]:
    """The matrix, and whether numbers stand for the labels because a letter cannot be drawn."""
    named = all(map(_drawable, labels))
    ticks = [_short(label) if named else str(position) for position, label in enumerate(labels, 1)]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = min(max(2.6 + 0.22 * len(labels), 3.4), 14)
    drawing, axes = drawing_of(side, side)
    colour = np.broadcast_to(to_rgb(COLOURS[0]), (*shares.shape, 3))
    axes.imshow(np.dstack([colour, _STRONGEST * shares]))
    axes.set_xlabel("predicted label")
    axes.set_ylabel("class")
    axes.set_xticks(range(len(labels)), ticks, rotation=90, parse_math=False)
    axes.set_yticks(range(len(labels)), ticks, parse_math=False)
    if len(labels) <= _NUMBERED:
        for row, column in np.argwhere(matrix):
            axes.text(column, row, f"{matrix[row, column]:,}", ha="center", va="center", fontsize=10)
    return drawing, not named


def reliability_diagram(confidence: Floats, right: NDArray[np.bool_]) -> Figure:
    """How often answers of each confidence are right.

    Args:
        confidence: ``[N]``, of the best label.
        right: ``[N]``, whether that label is right.
    """
    bins = reliability(confidence, right)
    drawing, axes = drawing_of(WIDTH, 3.4)
    axes.plot([0, 1], [0, 1], color=COLOURS[-1], linewidth=1)
    axes.bar([b[0] for b in bins], [b[2] for b in bins], width=1 / 16, label="accuracy", color=COLOURS[0])
    axes.plot([b[1] for b in bins], [b[2] for b in bins], "o", color=INK, markersize=4, label="at mean confidence")
    axes.set(xlabel="confidence of the best label", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
    legend_above(axes)
    return drawing


def _drawable(text: str) -> bool:
    """Whether matplotlib's font has every letter. Its text runs from left to right only."""
    font = get_font(findfont("DejaVu Sans"))
    return all(font.get_char_index(ord(letter)) and bidirectional(letter) not in {"R", "AL"} for letter in text)


def _short(label: str) -> str:
    return label if len(label) <= _LONG else f"{label[: _LONG - 1]}…"

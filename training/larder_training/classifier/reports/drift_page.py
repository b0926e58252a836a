"""The page of ``larder drift``: what has changed, and the images of production that are most unlike training."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from larder.release.manifest import Manifest
from larder_training.classifier.drift.compare import AUC, LEVEL, Cause, Drift
from larder_training.classifier.reports.audit_page import thumbnail
from larder_training.reporting.counts import counted
from larder_training.reporting.html import Section, image_grid, paragraph, render, table
from larder_training.reporting.title import TitleBlock, about
from larder_training.reporting.values import percent

SHOWN: Final = 48
"""Images on the page."""
SENTENCES: Final[dict[Cause, str]] = {
    "new_content": "The images have content that the training images do not have.",
    "label_shift": "Labels come in other shares than in the training images.",
    "unknown": "More images are unknown than in validation.",
    "accuracy": "The probabilities promise a lower accuracy than validation had.",
}
"""What each cause means."""


def headline(drift: Drift) -> str:
    """The result in a sentence or two."""
    return " ".join(SENTENCES[cause] for cause in drift.causes) or "Nothing has surely changed."


def page(manifest: Manifest, drift: Drift, images: Sequence[Path]) -> bytes:
    """The page, HTML; ``images`` are the files of production in the order in which the release was asked."""
    compared = f"{counted(drift.images, 'image')}, {drift.distinct:,} distinct"
    title = TitleBlock("Drift", manifest.model, headline(drift), "", about(manifest, compared))
    return render(title, [_tests(drift), _labels(drift), _most_unlike(drift, images)]).encode()


def _tests(drift: Drift) -> Section:
    rows: list[tuple[str, object, object, object]] = [
        ("content: AUC of a classifier of the source", AUC, drift.content.auc, drift.content.low),
    ]
    for name, change in (("unknown images", drift.unknown), ("estimated accuracy", drift.accuracy)):
        if change is not None:
            rows.append((name, percent(change.before), percent(change.after), change.p_value))
    text = (
        f"Each test has a false alarm level of {LEVEL:.0%}. Content has changed if the lower bound of the AUC is above "
        f"{AUC}: 0.5 means that images of training and production cannot be separated."
    )
    head = ("Test", "Validation, or limit", "Production", "p-value, or lower bound")
    return Section.of("Tests", paragraph(text), table(head, rows))


def _labels(drift: Drift) -> Section:
    shares = [
        (shift.name, percent(shift.before), percent(shift.after), shift.p_value) for shift in drift.labels.categories
    ]
    text = f"Population stability index {drift.labels.psi:.3f}; p-value of all labels {drift.labels.p_value:.2g}."
    return Section.of("Labels", paragraph(text), table(("Label", "Training", "Production", "p-value"), shares))


def _most_unlike(drift: Drift, images: Sequence[Path]) -> Section:
    shown: Iterable[Path] = (images[row] for row in drift.most_unlike(SHOWN))
    return Section.of("Most unlike training", image_grid((thumbnail(path), path.name) for path in shown))

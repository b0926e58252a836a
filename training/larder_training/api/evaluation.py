"""Evaluates releases, as ``larder evaluate`` does."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, cast

from larder.errors import InvalidRequest
from larder_training.api.frames import Table, as_files
from larder_training.api.images import Images, as_source
from larder_training.api.release import Release
from larder_training.classifier.config.options import Boxes
from larder_training.recommender.config.log_format import LogFormat
from larder_training.reporting.progress import Progress


def evaluate(  # noqa: PLR0913 - the options of the command, all by name
    release: Release | str | os.PathLike[str],
    data: Images | Table,
    labels: Iterable[object] | None = None,
    *,
    history: Table | None = None,
    label_attribute: str | None = None,
    columns: Mapping[str, str] | None = None,
    time_format: str | None = None,
    boxes: Boxes | None = None,
    label_separator: str | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Evaluates a release on held-out data with the serving code, as ``larder evaluate`` does.

    Args:
        release: A release or its folder.
        data: Labelled images for a classifier, or interactions for a recommender, in the forms of
            ``train_classifier`` and ``train_recommender``.
        labels: One label per image, for a list of images; for a multi-label release, a list of labels.
        history: For a recommender: the interactions before ``data``.
        label_attribute: For a classifier: the label attribute of a Ground Truth manifest with several.
        columns: For a classifier: the list's names of the columns ``path``, ``label`` and ``split``, if unusual. For
            a recommender: the tables' name of a column by Larder's name, such as ``{"ITEM_ID": "movieId"}``.
        time_format: For a recommender: format of TIMESTAMP, as of ``datetime.strptime``; None: recognized.
        boxes: For a classifier and a list of boxes: "cut" evaluates each box, "ignore" whole images.
        label_separator: For a multi-label classifier: what separates the labels of a cell, in addition to ``|``.
        quiet: Whether to hide the progress.

    Returns:
        The metrics, as ``larder evaluate --json`` prints them.

    Raises:
        InvalidRequest: The data cannot be evaluated, or an argument is for the other kind of model.
    """
    opened = release if isinstance(release, Release) else Release(release)
    if opened.kind == "classifier":
        if history is not None or time_format is not None:
            raise InvalidRequest("history or time_format is given, but the release is a classifier: omit it.")
        from larder_training.classifier.evaluation.evaluate import evaluate as evaluate_classifier

        with as_source(cast("Images", data), labels, columns, multi_label=opened.multi_label) as source:
            return dict(
                evaluate_classifier(
                    opened.path,
                    source,
                    label_attribute=label_attribute,
                    columns=columns,
                    boxes=boxes,
                    label_separator=label_separator,
                    progress=Progress(quiet=quiet),
                )
            )
    if any(option is not None for option in (labels, label_attribute, boxes, label_separator)):
        raise InvalidRequest("labels, label_attribute or boxes are given, but the release is a recommender: omit them.")
    return _recommender(opened, cast("Table", data), history, LogFormat(columns or {}, time_format))


def _recommender(release: Release, interactions: Table, history: Table | None, log_format: LogFormat) -> dict[str, Any]:
    from larder_training.recommender.evaluation.evaluate import evaluate as evaluate_recommender

    with as_files(interactions=interactions, history=history) as files:
        return dict(evaluate_recommender(release.path, files["interactions"], files["history"], log_format))

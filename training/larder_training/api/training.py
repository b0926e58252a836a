"""Trains models, as ``larder train`` does."""

from collections.abc import Iterable
from typing import Unpack

from larder.errors import InvalidRequest
from larder_training.api import keywords
from larder_training.api.frames import Table, as_files
from larder_training.api.images import Images, as_source
from larder_training.api.keywords import ClassifierKeywords, RecommenderKeywords
from larder_training.api.release import Release
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.recommender.config.options import RecommenderOptions
from larder_training.reporting.progress import Progress


def train_classifier(
    images: Images,
    labels: Iterable[object] | None = None,
    *,
    quiet: bool = False,
    **options: Unpack[ClassifierKeywords],
) -> Release:
    """Trains an image classifier and writes a release, as ``larder train classifier`` does.

    A terminal or a notebook shows the progress; elsewhere the logger ``larder`` gets it.

    Args:
        images: A folder with one sub-folder per class, which may be below ``train/``, ``val/`` and ``test/``, or a list
            (CSV, Ground Truth, COCO, Label Studio, CVAT, Roboflow), each also at ``s3://``; a data frame with the
            columns of a CSV; or a list of images: paths, bytes, Pillow images, or uint8 arrays ``[height, width, 3]``
            (RGB, 0 to 255).
        labels: One label per image, for a list of images. With ``multi_label=True``, a list of labels per image, or
            texts such as "cat|dog"; so in a data frame. An empty list or text means no label.
        quiet: Whether to hide the progress.
        **options: Fields of ``ClassifierOptions``, ``SearchLimits`` and ``Preprocessing``, such as ``backbone``,
            ``trials``, ``resize_short`` and ``seed``. ``model`` is "classifier" by default.

    Returns:
        The release, in a new folder below ``out`` (``.larder/releases``).

    Raises:
        InvalidRequest: The data, the backbone or an option cannot be used; the message says what to do.
        TypeError: An option is unknown, or not of its type; the message says what to give.
    """
    from larder_training.classifier.train import train

    chosen = {"model": keywords.CLASSIFIER, **options}
    arguments = keywords.arguments(ClassifierOptions, ClassifierKeywords, chosen, "train_classifier")
    multi_label = bool(arguments.get("multi_label"))
    with as_source(images, labels, arguments.get("columns"), multi_label=multi_label) as data:
        return Release(train(ClassifierOptions(data=data, **arguments), Progress(quiet=quiet)))


def train_recommender(
    interactions: Table,
    *,
    items: Table | None = None,
    users: Table | None = None,
    quiet: bool = False,
    **options: Unpack[RecommenderKeywords],
) -> Release:
    """Trains a recommender and writes a release, as ``larder train recommender`` does.

    A terminal or a notebook shows the progress; elsewhere the logger ``larder`` gets it.

    Args:
        interactions: Events with the columns USER_ID, ITEM_ID, TIMESTAMP and optionally EVENT_TYPE and EVENT_VALUE: a
            file (CSV, Parquet, JSON lines), a folder or a pattern, each also at ``s3://``; a list of these; or a data
            frame.
        items: Items with the columns ITEM_ID and metadata, in the same forms.
        users: Users with the columns USER_ID and a profile, in the same forms.
        quiet: Whether to hide the progress.
        **options: Fields of ``RecommenderOptions``, such as ``minutes``, ``trials``, ``event_weights``, ``order``,
            ``seed`` and ``out``. ``model`` is "recommender" by default.

    Returns:
        The release, in a new folder below ``out`` (``.larder/releases``).

    Raises:
        InvalidRequest: The data or an option cannot be used; the message says what to do.
        TypeError: An option is unknown, or not of its type; the message says what to give.
    """
    from larder_training.recommender.train import train

    chosen = {"model": keywords.RECOMMENDER, **options}
    arguments = keywords.arguments(RecommenderOptions, RecommenderKeywords, chosen, "train_recommender")
    if interactions is None:
        raise InvalidRequest("interactions is None: give a path, a URL, a list of these, or a data frame.")
    with as_files(interactions=interactions, items=items, users=users) as files:
        return Release(train(RecommenderOptions(**files, **arguments), Progress(quiet=quiet)))

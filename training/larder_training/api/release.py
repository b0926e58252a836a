"""A release folder as an object: its contents, its answers, and its publication."""

import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, overload

from larder.errors import InvalidRequest, ReleaseError
from larder.release.manifest import Kind, Manifest
from larder.release.serving import ClassifierServing, RecommenderServing
from larder.store import Store, open_store
from larder_training.api.report import Report
from larder_training.release.loader import open_tables, read_manifest

if TYPE_CHECKING:  # numpy, Pillow and onnxruntime are imported with the first image
    from larder.classifier.graph import Classifier, Labels
    from larder.recommender import Recommendation, Recommender
    from larder.rollout import Outcome
    from larder_training.api.images import ImageLike

_REPORT = "report.html"


class Release(os.PathLike[str]):
    """A release in a folder of this machine, as a training writes it.

    It answers with the serving code, so the answers are those of the service after publication. A release may be used
    as a path, for example as ``parent=`` or ``compare_with=`` of a training.

    Attributes:
        path: The folder.
        manifest: Its manifest: the model's name and kind, files, evaluation, hyperparameters and versions.
    """

    path: Path
    manifest: Manifest

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Opens the release in a folder.

        Raises:
            InvalidRequest: The folder is not a release.
            InvalidManifest: Its manifest is invalid.
        """
        self.path = Path(path)
        self.manifest = read_manifest(self.path)

    @property
    def kind(self) -> Kind:
        """``classifier`` or ``recommender``."""
        return self.manifest.kind

    @property
    def multi_label(self) -> bool:
        """Whether it is a classifier that gives an image any number of labels."""
        return isinstance(self.manifest.serving, ClassifierServing) and self.manifest.serving.multi_label

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The evaluation on held-out data with 95 % intervals, from the manifest."""
        return self.manifest.evaluation

    @property
    def report(self) -> Report:
        """The report of the training, which a notebook shows. Raises InvalidRequest if the folder has none."""
        try:
            return Report((self.path / _REPORT).read_text(encoding="utf-8"))
        except OSError as error:
            raise InvalidRequest(f"{self.path.name!r} has no {_REPORT}: train it again.") from error

    @overload
    def predict(  # type: ignore[overload-overlap]  # a text is one path, not a sequence of paths
        self,
        images: "ImageLike",
        *,
        side: Mapping[str, object] | None = None,
        max_labels: int | None = None,
        min_confidence: float | None = None,
    ) -> "Labels": ...
    @overload
    def predict(
        self,
        images: "Sequence[ImageLike]",
        *,
        side: Sequence[Mapping[str, object]] | None = None,
        max_labels: int | None = None,
        min_confidence: float | None = None,
    ) -> "list[Labels]": ...
    def predict(
        self,
        images: "ImageLike | Sequence[ImageLike]",
        *,
        side: Mapping[str, object] | Sequence[Mapping[str, object]] | None = None,
        max_labels: int | None = None,
        min_confidence: float | None = None,
    ) -> "Labels | list[Labels]":
        """Labels one image, or each image of a list.

        Args:
            images: A path, an ``s3://`` URL, the bytes of an encoded image, a Pillow image, a uint8 array
                ``[height, width, 3]``, or a list of these.
            side: Side information by column; for a list of images, a list with one mapping per image.
            max_labels: Maximum number of labels; None for all.
            min_confidence: Minimum confidence of a label, in place of the label's own threshold; 0 returns all labels.

        Returns:
            The labels of the image; for a list of images, a list.

        Raises:
            InvalidRequest: The release is a recommender, or an argument is invalid.
            UnsupportedMedia: An image cannot be decoded.
        """
        from larder_training.api.images import encoded, named

        classifier = self._classifier
        _check_label_limits(max_labels, min_confidence)

        def classify(image: "ImageLike", row: Mapping[str, object] | None) -> "Labels":
            data = encoded(image)
            return classifier.classify(data, side=row, max_labels=max_labels, min_confidence=min_confidence)

        if not isinstance(images, list | tuple):
            return classify(cast("ImageLike", images), cast("Mapping[str, object] | None", side))
        sides = cast("Sequence[Mapping[str, object]]", side or [{}] * len(images))
        if isinstance(sides, Mapping) or len(sides) != len(images):
            raise InvalidRequest(f"there are {len(images)} images: give side as a list of as many mappings.")
        answers = []
        for index, (image, row) in enumerate(zip(images, sides, strict=True)):
            with named(index):
                answers.append(classify(image, row))
        return answers

    def recommend(  # noqa: PLR0913  # the fields of a request
        self,
        user: object | None = None,
        *,
        session: Sequence[object] | None = None,
        item: object | None = None,
        profile: Mapping[str, str | float] | None = None,
        n: int | None = None,
        exclude: Sequence[object] | None = None,
        include_seen: bool | None = None,
        filter: str | None = None,  # noqa: A002  # the field's name in a request
        filter_values: Mapping[str, object] | None = None,
        promotions: Sequence[Mapping[str, object]] | None = None,
        columns: Sequence[str] | None = None,
    ) -> "list[Recommendation]":
        """The best items for a user, a session, an item in view, a profile, or any of these together.

        Without any of them, the answer is what is popular. Ids may be texts or numbers.

        Args:
            user: A user's id. An id that the model does not know is served as a new user.
            session: The items that the user just interacted with, the newest last.
            item: The item in view.
            profile: The user's columns, such as ``{"CITY": "Berlin"}``.
            n: Number of items, 1 to 500; 25 by default.
            exclude: Items that must not be returned.
            include_seen: Whether items of the session may be returned; None lets the release decide.
            filter: A filter expression in Amazon Personalize's language.
            filter_values: The values of the filter's parameters, by name without the ``$``.
            promotions: Items that get a share of the places, each as ``{"name", "percent", "items" or "filter"}``.
            columns: The item columns to return.

        Raises:
            InvalidRequest: The release is a classifier, or an argument is invalid.
        """
        from larder.recommender import RECOMMEND, read_query

        recommender = self._recommender
        document = _document(
            user=_id(user),
            session=_ids(session),
            item=_id(item),
            profile=profile,
            n=n,
            exclude=_ids(exclude),
            include_seen=include_seen,
            filter=filter,
            filter_values=filter_values,
            promotions=promotions,
            columns=columns,
        )
        return list(recommender.recommend(read_query(document, RECOMMEND)).items)

    def similar(
        self,
        item: object,
        *,
        n: int | None = None,
        exclude: Sequence[object] | None = None,
        filter: str | None = None,  # noqa: A002  # the field's name in a request
        filter_values: Mapping[str, object] | None = None,
        columns: Sequence[str] | None = None,
    ) -> "list[Recommendation]":
        """The items that are most similar to ``item``; the other arguments are those of ``recommend``.

        Raises:
            NotFound: The model does not know the item.
            InvalidRequest: The release is a classifier, or an argument is invalid.
        """
        from larder.recommender import SIMILAR, read_query

        recommender = self._recommender
        document = _document(n=n, exclude=_ids(exclude), filter=filter, filter_values=filter_values, columns=columns)
        return list(recommender.similar(read_query(document, SIMILAR, item=str(item))).items)

    def rank(
        self,
        items: Sequence[object],
        user: object | None = None,
        *,
        session: Sequence[object] | None = None,
        item: object | None = None,
        profile: Mapping[str, str | float] | None = None,
        columns: Sequence[str] | None = None,
    ) -> "list[Recommendation]":
        """Orders ``items`` (1 to 500 ids) for a user, best first; the other arguments are those of ``recommend``.

        Items that the model does not know come last, with score None.

        Raises:
            InvalidRequest: The release is a classifier, or an argument is invalid.
        """
        from larder.recommender import RANK, read_items, read_query

        recommender = self._recommender
        document = _document(
            items=_ids(items),
            user=_id(user),
            session=_ids(session),
            item=_id(item),
            profile=profile,
            columns=columns,
        )
        return list(recommender.rank(read_query(document, RANK), read_items(document)).items)

    def publish(self, store: Store | str | os.PathLike[str], *, force: bool = False) -> "Outcome":
        """Uploads the release to a store, verifies it with its golden requests, and makes it live.

        A running service uses it within LARDER_REFRESH_SECONDS (30 by default).

        Args:
            store: ``s3://bucket[/prefix]``, ``file:///folder``, or the path of a folder.
            force: Whether it may replace a live release that is better, as ``larder publish --force``.

        Returns:
            The outcome: ``promoted``, or ``kept`` if the release was live already.

        Raises:
            ReleaseError: The release was rejected, with the reason; the live release stays.
            StoreError: The store failed; try again.
        """
        from larder.rollout import prober, roll_out, upload
        from larder_training.release.local_prober import request_sender

        target = store if isinstance(store, Store) else open_store(_url(store))
        manifest = upload(self.path, target).manifest
        with request_sender(target) as send_request:
            outcome = roll_out(target, manifest.model, manifest.release, prober(target, send_request), gate=not force)
        if outcome.state == "rejected":
            raise ReleaseError(f"{manifest.model}/{manifest.release} was rejected: {outcome.reason}")
        return outcome

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"Release({str(self.path)!r})  # {self.kind} {self.manifest.model}"

    @cached_property
    def _classifier(self) -> "Classifier":
        from larder.classifier.graph import Classifier

        serving = self.manifest.serving
        if not isinstance(serving, ClassifierServing):
            raise InvalidRequest(f"{self.manifest.model!r} is a recommender: use recommend(), similar() or rank().")
        return Classifier(self.path / serving.file, serving, threads=os.cpu_count() or 1)

    @cached_property
    def _recommender(self) -> "Recommender":
        serving = self.manifest.serving
        if not isinstance(serving, RecommenderServing):
            raise InvalidRequest(f"{self.manifest.model!r} is a classifier: use predict().")
        return open_tables(self.path, serving)


def _check_label_limits(max_labels: int | None, min_confidence: float | None) -> None:
    if max_labels is not None and max_labels < 1:
        raise InvalidRequest(f"max_labels is {max_labels}: give 1 or more, or None for all labels.")
    if min_confidence is not None and not 0 <= min_confidence <= 1:
        raise InvalidRequest(f"min_confidence is {min_confidence}: give 0 to 1, or None for the labels' thresholds.")


def _document(**fields: object) -> dict[str, object]:
    """The JSON document of a request, without fields that are None."""
    lists = {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
    return {name: value for name, value in lists.items() if value is not None}


def _id(value: object | None) -> str | None:
    return None if value is None else str(value)


def _ids(values: Sequence[object] | None) -> list[str] | None:
    return None if values is None else [str(value) for value in values]


def _url(store: str | os.PathLike[str]) -> str:
    # A mistyped URL, such as s3:/bucket, must not become a folder of that name: open_store refuses it.
    is_url = isinstance(store, str) and re.match(r"\w{2,}:", store) is not None
    return str(store) if is_url else Path(store).resolve().as_uri()

"""The answers of the service: one frozen dataclass per JSON shape. Times are in UTC.

Each class reads its part of a JSON document with ``read``, which raises KeyError, TypeError or ValueError for another
shape. ``document`` keeps the received JSON, with the fields that a later version of the service adds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from larder_client.fields import Document
from larder_client.fields import each as _each
from larder_client.fields import get as _get
from larder_client.fields import number as _number
from larder_client.fields import optional as _optional
from larder_client.fields import time as _time


@dataclass(frozen=True, slots=True)
class Label:
    """One label of an image.

    Attributes:
        name: The label.
        confidence: The calibrated probability, from 0 to 1. Those of a multi-label classifier need not sum to 1.
    """

    name: str
    confidence: float

    @classmethod
    def read(cls, document: Document) -> "Label":
        """Reads it from its JSON."""
        return cls(_get(document, "name", str), _number(document, "confidence"))


@dataclass(frozen=True, slots=True)
class Classification:
    """The answer to ``classify``.

    Attributes:
        model: The model that answered.
        release: The release that answered.
        labels: The labels, best first.
        unknown: Whether the image is out of distribution: far from all training images.
        document: The received JSON.
    """

    model: str
    release: str
    labels: tuple[Label, ...]
    unknown: bool
    document: Document = field(repr=False, compare=False)

    @classmethod
    def read(cls, document: Document) -> "Classification":
        """Reads it from its JSON."""
        return cls(
            model=_get(document, "model", str),
            release=_get(document, "release", str),
            labels=_each(document, "labels", Label.read),
            unknown=_get(document, "unknown", bool),
            document=document,
        )


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an item is in an answer: the source with the largest share of its score.

    Attributes:
        source: ``user``, ``session``, ``revisit``, ``item``, ``content``, ``exploration``, ``segment``, ``trending``,
            ``promotion`` or ``pin``.
        items: The items of the history, of the session, or in view that contribute most, 3 at most.
        segment: The segment, such as ``CITY=Berlin`` or ``all``; None for another source.
        promotion: The promotion's name; None for another source.
        place: The place of a pinned item; None for another source.
        boost: The factor by which boosts changed the score; None without one.
    """

    source: str
    items: tuple[str, ...] = ()
    segment: str | None = None
    promotion: str | None = None
    place: int | None = None
    boost: float | None = None

    @classmethod
    def read(cls, document: Document) -> "Reason":
        """Reads it from its JSON."""
        return cls(
            source=_get(document, "source", str),
            items=tuple(_get(document, "items", list)) if "items" in document else (),
            segment=_optional(document, "segment", str),
            promotion=_optional(document, "promotion", str),
            place=_optional(document, "place", int),
            boost=_optional(document, "boost", float),
        )


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a recommender's answer.

    Attributes:
        id: The item's id.
        score: Comparable within one answer. None if the model does not know the item (``rank`` only).
        because: Why the item is here; None if nothing raises its score (``rank`` only).
        columns: The requested columns; a value is None if the item has none.
    """

    id: str
    score: float | None
    because: Reason | None
    columns: Mapping[str, str | float | None]

    @classmethod
    def read(cls, document: Document) -> "Item":
        """Reads it from its JSON."""
        because = document["because"]
        return cls(
            id=_get(document, "id", str),
            score=None if document["score"] is None else _number(document, "score"),
            because=None if because is None else Reason.read(because),
            columns=_optional(document, "columns", dict) or {},
        )


@dataclass(frozen=True, slots=True)
class Recommendations:
    """The answer to ``recommend``, ``rank``, ``similar`` and ``trending``.

    Attributes:
        model: The model that answered.
        release: The release that answered.
        items: The items, best first.
        known: Whether the model knows the user and the items that the request named; None for ``similar`` and
            ``trending``.
        unknown: The ids that it does not know, by the names of the arguments: ``user``, ``item``, ``session``.
        warnings: Parts of the request that had no effect, such as a value of a filter that no item has.
        left_out: By capped column, how many better items its cap left out.
        recommendation_id: What to send with the events that follow; None for a model that takes no live events.
        next: What to pass as ``next`` for the items after these; None after the last ones, or without pages.
        document: The received JSON.
    """

    model: str
    release: str
    items: tuple[Item, ...]
    known: bool | None
    unknown: Document
    warnings: tuple[str, ...]
    left_out: Mapping[str, int]
    recommendation_id: str | None
    next: str | None
    document: Document = field(repr=False, compare=False)

    @classmethod
    def read(cls, document: Document) -> "Recommendations":
        """Reads it from its JSON."""
        return cls(
            model=_get(document, "model", str),
            release=_get(document, "release", str),
            items=_each(document, "items", Item.read),
            known=_optional(document, "known", bool),
            unknown=_optional(document, "unknown", dict) or {},
            warnings=tuple(_optional(document, "warnings", list) or ()),
            left_out=_optional(document, "left_out", dict) or {},
            recommendation_id=_optional(document, "recommendation_id", str),
            next=_optional(document, "next", str),
            document=document,
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of events, items or users that were sent.

    Attributes:
        accepted: How many were taken; they are durable.
        duplicates: How many events were taken before.
        refused: Why each other one was refused, by its place in the batch, from 0.
    """

    accepted: int
    duplicates: int
    refused: Mapping[int, str]

    @classmethod
    def read(cls, document: Document) -> "Taken":
        """Reads it from its JSON."""
        return cls(
            accepted=_get(document, "accepted", int),
            duplicates=_get(document, "duplicates", int),
            refused={
                _get(entry, "index", int): _get(entry, "message", str) for entry in _get(document, "refused", list)
            },
        )


@dataclass(frozen=True, slots=True)
class Deletion:
    """The receipt of the removal of a user, which does not name them.

    Attributes:
        receipt: What to pass to ``deletion``.
        models: The models that the user is removed from.
        requested: When it was asked for; events after it stay.
        live: When the live store was free of the user.
        log: When the log was free of the user; None until then.
        log_due: When the log is free of the user at the latest, if the daily compaction succeeds.
        releases: The releases that may still have the user, as model and release.
        done: Whether the log and the releases are free of the user.
        document: The received JSON.
    """

    receipt: str
    models: tuple[str, ...]
    requested: datetime | None
    live: datetime | None
    log: datetime | None
    log_due: datetime | None
    releases: tuple[tuple[str, str], ...]
    done: bool
    document: Document = field(repr=False, compare=False)

    @classmethod
    def read(cls, document: Document) -> "Deletion":
        """Reads it from its JSON."""
        return cls(
            receipt=_get(document, "receipt", str),
            models=tuple(_get(document, "models", list)),
            requested=_time(document, "requested"),
            live=_time(document, "live"),
            log=_time(document, "log"),
            log_due=_time(document, "log_due"),
            releases=_each(
                document, "releases", lambda entry: (_get(entry, "model", str), _get(entry, "release", str))
            ),
            done=_get(document, "done", bool),
            document=document,
        )


@dataclass(frozen=True, slots=True)
class StoredFilter:
    """A filter that is stored beside a model.

    Attributes:
        name: Its name; a request names it as ``@`` and this.
        expression: Its text.
        created: When it was stored.
        updated: When it was last replaced; None if it never was.
    """

    name: str
    expression: str
    created: str
    updated: str | None = None

    @classmethod
    def read(cls, document: Document) -> "StoredFilter":
        """Reads it from its JSON."""
        return cls(
            name=_get(document, "name", str),
            expression=_get(document, "expression", str),
            created=_get(document, "created", str),
            updated=_optional(document, "updated", str),
        )

    @classmethod
    def read_all(cls, document: Document) -> Mapping[str, "StoredFilter"]:
        """Reads the filters of a model, by name."""
        return {stored.name: stored for stored in _each(document, "filters", cls.read)}


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One entry of ``models``.

    Attributes:
        model: The model's name.
        kind: ``classifier`` or ``recommender``; None if its manifest cannot be read.
        live: The release that answers, or None if none is live yet.
        created: When the live release, or else the newest, was created; None if its manifest cannot be read.
        document: The received JSON.
    """

    model: str
    kind: str | None
    live: str | None
    created: datetime | None
    document: Document = field(repr=False, compare=False)

    @classmethod
    def read(cls, document: Document) -> "ModelSummary":
        """Reads it from its JSON."""
        return cls(
            model=_get(document, "model", str),
            kind=_optional(document, "kind", str),
            live=_optional(document, "live", str),
            created=_time(document, "created"),
            document=document,
        )

    @classmethod
    def read_all(cls, document: Document) -> "tuple[ModelSummary, ...]":
        """Reads all entries from the JSON of the list."""
        return _each(document, "models", cls.read)


@dataclass(frozen=True, slots=True)
class Model:
    """The answer to ``model``: the pointer, and what the live release offers, or the newest if none is live.

    Attributes:
        model: The model's name.
        kind: ``classifier`` or ``recommender``.
        live: The release that answers, or None.
        previous: The release that answered before it, or None.
        canary: The release that gets a share of the callers, or None.
        canary_percent: That share, in percent.
        revision: How often the pointer was written.
        release: The release that the following fields describe.
        created: When that release was created.
        labels: A classifier's labels; empty for a recommender.
        side: The side columns that a classifier takes: ``category``, ``number`` or ``text`` by name.
        items: A recommender's number of items; None for a classifier.
        users: A recommender's number of users with their own row; None for a classifier.
        columns: A recommender's item columns: ``category``, ``number`` or ``text`` by name.
        evaluation: The headline of the release's evaluation; the manifest has the whole evaluation.
        document: The received JSON.
    """

    model: str
    kind: str
    live: str | None
    previous: str | None
    canary: str | None
    canary_percent: int
    revision: int
    release: str
    created: datetime | None
    labels: tuple[str, ...]
    side: Mapping[str, str]
    items: int | None
    users: int | None
    columns: Mapping[str, str]
    evaluation: Document
    document: Document = field(repr=False, compare=False)

    @classmethod
    def read(cls, document: Document) -> "Model":
        """Reads it from its JSON."""
        return cls(
            model=_get(document, "model", str),
            kind=_get(document, "kind", str),
            live=_optional(document, "live", str),
            previous=_optional(document, "previous", str),
            canary=_optional(document, "canary", str),
            canary_percent=_get(document, "canary_percent", int),
            revision=_get(document, "revision", int),
            release=_get(document, "release", str),
            created=_time(document, "created"),
            labels=tuple(_optional(document, "labels", list) or ()),
            side=_optional(document, "side", dict) or {},
            items=_optional(document, "items", int),
            users=_optional(document, "users", int),
            columns=_optional(document, "columns", dict) or {},
            evaluation=_get(document, "evaluation", dict),
            document=document,
        )


@dataclass(frozen=True, slots=True)
class ReleaseSummary:
    """One entry of ``releases``.

    Attributes:
        release: The release's name.
        state: ``live``, ``canary``, ``previous``, ``rejected``, ``damaged``, or ``stored`` for none of these.
        kind: ``classifier`` or ``recommender``; None if its manifest cannot be read.
        created: When it was created; None if its manifest cannot be read.
        reason: Why it was rejected, or why its manifest cannot be read; otherwise None.
        quality: The headline of its evaluation: ``metric``, ``value``, ``interval_95``, ``cases`` and ``baselines``;
            None if its manifest does not state it.
    """

    release: str
    state: str
    kind: str | None
    created: datetime | None
    reason: str | None
    quality: Document | None

    @classmethod
    def read(cls, document: Document) -> "ReleaseSummary":
        """Reads it from its JSON."""
        return cls(
            release=_get(document, "release", str),
            state=_get(document, "state", str),
            kind=_optional(document, "kind", str),
            created=_time(document, "created"),
            reason=_optional(document, "reason", str),
            quality=_optional(document, "quality", dict),
        )


@dataclass(frozen=True, slots=True)
class Releases:
    """The answer to ``releases``.

    Attributes:
        model: The model's name.
        total: How many releases it has, with uploads that have not ended; filters do not count.
        releases: Those of this page, in the order that was asked for.
        next: The ``next`` of the page after this one; None on the last.
        document: The received JSON.
    """

    model: str
    total: int
    releases: tuple[ReleaseSummary, ...]
    next: str | None
    document: Document = field(repr=False, compare=False)

    @classmethod
    def read(cls, document: Document) -> "Releases":
        """Reads it from its JSON."""
        return cls(
            model=_get(document, "model", str),
            total=_get(document, "total", int),
            releases=_each(document, "releases", ReleaseSummary.read),
            next=_optional(document, "next", str),
            document=document,
        )


@dataclass(frozen=True, slots=True)
class Structure:
    """The answer to ``structure``.

    Attributes:
        model: The model's name.
        release: The release's name.
        kind: ``classifier`` or ``recommender``.
        structure: What the release consists of: a classifier's inputs, outputs, operators and parameters, or a
            recommender's tables.
        document: The received JSON.
    """

    model: str
    release: str
    kind: str
    structure: Document
    document: Document = field(repr=False, compare=False)

    @classmethod
    def read(cls, document: Document) -> "Structure":
        """Reads it from its JSON."""
        return cls(
            model=_get(document, "model", str),
            release=_get(document, "release", str),
            kind=_get(document, "kind", str),
            structure=_get(document, "structure", dict),
            document=document,
        )


@dataclass(frozen=True, slots=True)
class File:
    """One entry of ``files``.

    Attributes:
        name: The file's name.
        bytes: Its length.
        sha256: The SHA-256 of its content, in hexadecimal.
        path: The path on the service to download it from.
    """

    name: str
    bytes: int
    sha256: str
    path: str

    @classmethod
    def read(cls, document: Document) -> "File":
        """Reads it from its JSON."""
        return cls(
            name=_get(document, "name", str),
            bytes=_get(document, "bytes", int),
            sha256=_get(document, "sha256", str),
            path=_get(document, "path", str),
        )

    @classmethod
    def read_all(cls, document: Document) -> "tuple[File, ...]":
        """Reads all entries from the JSON of the list."""
        return _each(document, "files", cls.read)

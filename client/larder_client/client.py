"""The client: one method per route of the service."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from larder_client.answers import (
    Classification,
    Deletion,
    File,
    Model,
    ModelSummary,
    Recommendations,
    Releases,
    StoredFilter,
    Structure,
    Taken,
)
from larder_client.download import download
from larder_client.errors import NotFound
from larder_client.parameters import (
    Boost,
    FilterValue,
    Image,
    Promotion,
    as_list,
    base64_text,
    list_query,
    path,
    query,
    read_image,
    route,
    without_none,
)
from larder_client.retry import Retry
from larder_client.session import Session, headers_of
from larder_client.training_jobs import TrainingJobs
from larder_client.transport import Request


class Client:
    """A client of a Larder service.

    Threads can share one client: each request uses its own connection from a pool. Processes cannot: create the client
    after a fork. Use a ``with`` block, or call :meth:`close`, to close the connections.

    Every method raises :class:`larder_client.ClientError`, or ``ValueError`` or ``TypeError`` for an argument that
    cannot be sent. Three parameters are common to many methods:

    - ``release`` asks this release, whichever is live.
    - ``canary_key`` is any printable ASCII text. Send a stable value per caller: during a canary, the same key gets the
      same release.
    - ``columns`` names the item columns to return.

    A deployed service with ``Authorization=AWS_IAM`` accepts signed requests only. At each attempt, ``sign`` gets the
    request and returns the headers to add. With botocore::

        import boto3
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        credentials = boto3.Session().get_credentials()

        def sign(request):
            signed = AWSRequest(request.method, request.url, dict(request.headers), request.body)
            SigV4Auth(credentials, "execute-api", "eu-central-1").add_auth(signed)
            return dict(signed.headers)

        client = Client("https://abc.execute-api.eu-central-1.amazonaws.com", sign=sign)

    Args:
        url: The service's URL, as ``larder up`` or the stack's output prints it.
        key: A key that ``larder keys add`` made, sent with each request as ``x-api-key``.
        timeout: Seconds to wait for a connection, and for each part of an answer.
        retries: When to repeat a failed request; a number sets :attr:`Retry.count` only.
        sign: Returns headers that authenticate a request, such as a SigV4 signature.

    Raises:
        ValueError: The URL or the key cannot be used.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = 60.0,
        retries: Retry | int = 3,
        sign: Callable[[Request], Mapping[str, str]] | None = None,
    ) -> None:
        retry = Retry(retries) if isinstance(retries, int) else retries
        self._session = Session(url, key, timeout, retry, sign)
        self._training_jobs = TrainingJobs(self._session)

    @property
    def url(self) -> str:
        """The service's URL, without a slash at the end."""
        return self._session.url

    @property
    def training_jobs(self) -> TrainingJobs:
        """The service's training jobs: start, look, stop, and upload the data."""
        return self._training_jobs

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the idle connections. A later request opens a new one."""
        self._session.close()

    # ------------------------------------------------------------------------------------------------- Classify

    def classify(
        self,
        model: str,
        image: Image,
        *,
        max_labels: int | None = None,
        min_confidence: float | None = None,
        side: Mapping[str, str | float | None] | None = None,
        release: str | None = None,
        canary_key: str | None = None,
    ) -> Classification:
        """Labels one image: JPEG, PNG, WebP, GIF, HEIC or AVIF, 4.7 MB at most.

        Args:
            model: A classifier.
            image: The encoded image, or the path of its file.
            max_labels: Maximum number of labels, 1 to 1000.
            min_confidence: Minimum confidence of a label, from 0 to 1, in place of the label's own threshold; 0 returns
                all labels.
            side: Side information by column; ``model(name).side`` lists the columns. A column that is missing or None
                has its default.
            release: See the class.
            canary_key: See the class.

        Raises:
            OSError: The file cannot be read.
        """
        options = {"max_labels": max_labels, "min_confidence": min_confidence}
        data, content_type = read_image(image)
        headers = _headers(release, canary_key)
        target = path(model, "classify")
        if side:
            document = without_none(image=base64_text(data), side=dict(side), **options)
            return self._session.post(Classification.read, target, headers, document)
        headers["content-type"] = content_type
        return self._session.ask(Classification.read, "POST", target + query(**options), headers, data)

    def classify_object(
        self,
        model: str,
        key: str,
        *,
        max_labels: int | None = None,
        min_confidence: float | None = None,
        side: Mapping[str, str | float | None] | None = None,
        release: str | None = None,
        canary_key: str | None = None,
    ) -> Classification:
        """Labels an image that is already in the service's bucket, 20 MB at most.

        Args:
            model: A classifier.
            key: The object's key, which begins with ``uploads/``.
            max_labels: See :meth:`classify`.
            min_confidence: See :meth:`classify`.
            side: See :meth:`classify`.
            release: See the class.
            canary_key: See the class.
        """
        document = without_none(
            object=key, max_labels=max_labels, min_confidence=min_confidence, side=dict(side) if side else None
        )
        headers = _headers(release, canary_key)
        return self._session.post(Classification.read, path(model, "classify"), headers, document)

    # ------------------------------------------------------------------------------------------------ Recommend

    def recommend(  # noqa: PLR0913  one parameter per field of the route, all by keyword except the model
        self,
        model: str,
        *,
        user: str | None = None,
        session: Sequence[str] | None = None,
        session_id: str | None = None,
        item: str | None = None,
        profile: Mapping[str, str | float] | None = None,
        n: int | None = None,
        exclude: Sequence[str] | None = None,
        include_seen: bool | None = None,
        filter: str | None = None,  # noqa: A002  the field's name in a request
        filter_values: Mapping[str, FilterValue] | None = None,
        columns: Sequence[str] | None = None,
        promotions: Sequence[Promotion] | None = None,
        max_per: Mapping[str, int] | None = None,
        boosts: Sequence[Boost] | None = None,
        pins: Mapping[int, str] | None = None,
        next: str | None = None,  # noqa: A002  the field's name in a request
        release: str | None = None,
        canary_key: str | None = None,
    ) -> Recommendations:
        """The best items for a user, a session, an item in view, a profile, or any of these together.

        Without any of them, the answer is what is popular.

        Args:
            model: A recommender.
            user: A user's id. An id that the model does not know is served as a new user.
            session: The ids of the items that the user just interacted with, the newest last, 500 at most.
            session_id: The id of the visit: a model with live events answers by the events that were sent with it.
            item: The id of the item in view. It counts as the session's newest.
            profile: The user's columns, such as ``{"CITY": "Berlin"}``. A new user gets what is popular in their
                segment.
            n: How many items, 1 to 500; the service's default is 25.
            exclude: The ids of items that must not be returned, 1000 at most.
            include_seen: Whether the session's items and the one in view may be returned. None lets the release decide.
            filter: A filter expression in Amazon Personalize's language, or ``@`` and the name of a stored filter.
            filter_values: The values of the filter's parameters, by name without the ``$``.
            columns: See the class.
            promotions: Items that get a share of the places, 5 promotions at most.
            max_per: By item column, the most items with one value in it, such as ``{"BRAND": 2}``; 5 columns at most.
            boosts: Factors for the scores of items that pass a filter, 5 at most.
            pins: Items at fixed places from 1, such as ``{1: "p0004"}``; 20 at most.
            next: The ``next`` of the page before; an empty text for the first page of a list with pages.
            release: See the class.
            canary_key: See the class. The default is the user.
        """
        document = without_none(
            user=user,
            session=as_list(session, "session"),
            session_id=session_id,
            item=item,
            profile=None if profile is None else dict(profile),
            n=n,
            exclude=as_list(exclude, "exclude"),
            include_seen=include_seen,
            filter=filter,
            filter_values=None if filter_values is None else dict(filter_values),
            columns=as_list(columns, "columns"),
            promotions=None if promotions is None else [promotion.document() for promotion in promotions],
            max_per=None if max_per is None else dict(max_per),
            boosts=None if boosts is None else [boost.document() for boost in boosts],
            pins=None if pins is None else [{"place": place, "item": pinned} for place, pinned in pins.items()],
            next=next,
        )
        headers = _headers(release, canary_key)
        return self._session.post(Recommendations.read, path(model, "recommend"), headers, document)

    def rank(  # noqa: PLR0913  one parameter per field of the route, all by keyword except two
        self,
        model: str,
        items: Sequence[str],
        *,
        user: str | None = None,
        session: Sequence[str] | None = None,
        session_id: str | None = None,
        item: str | None = None,
        profile: Mapping[str, str | float] | None = None,
        filter: str | None = None,  # noqa: A002  the field's name in a request
        filter_values: Mapping[str, FilterValue] | None = None,
        columns: Sequence[str] | None = None,
        release: str | None = None,
        canary_key: str | None = None,
    ) -> Recommendations:
        """Orders ``items`` for a user, best first. Items that the model does not know come last, with score None.

        Args:
            model: A recommender.
            items: 1 to 500 ids.
            user: See :meth:`recommend`.
            session: See :meth:`recommend`.
            session_id: See :meth:`recommend`.
            item: See :meth:`recommend`.
            profile: See :meth:`recommend`.
            filter: See :meth:`recommend`; only the items that pass it are returned.
            filter_values: See :meth:`recommend`.
            columns: See the class.
            release: See the class.
            canary_key: See the class.
        """
        document = without_none(
            items=as_list(items, "items"),
            user=user,
            session=as_list(session, "session"),
            session_id=session_id,
            item=item,
            profile=None if profile is None else dict(profile),
            filter=filter,
            filter_values=None if filter_values is None else dict(filter_values),
            columns=as_list(columns, "columns"),
        )
        return self._session.post(Recommendations.read, path(model, "rank"), _headers(release, canary_key), document)

    def similar(  # noqa: PLR0913  one parameter per field of the route, all by keyword except two
        self,
        model: str,
        item: str,
        *,
        user: str | None = None,
        session_id: str | None = None,
        profile: Mapping[str, str | float] | None = None,
        n: int | None = None,
        exclude: Sequence[str] | None = None,
        filter: str | None = None,  # noqa: A002  the field's name in a request
        filter_values: Mapping[str, FilterValue] | None = None,
        columns: Sequence[str] | None = None,
        max_per: Mapping[str, int] | None = None,
        boosts: Boost | None = None,
        pins: Mapping[int, str] | None = None,
        next: str | None = None,  # noqa: A002  the field's name in a request
        release: str | None = None,
        canary_key: str | None = None,
    ) -> Recommendations:
        """The items most similar to one.

        Args:
            model: A recommender.
            item: An item's id. An id that the model does not know raises NotFound.
            user: The user, for filters on what they did and on their profile.
            session_id: See :meth:`recommend`.
            profile: The user's columns, for filters.
            n: See :meth:`recommend`.
            exclude: See :meth:`recommend`.
            filter: See :meth:`recommend`.
            filter_values: See :meth:`recommend`.
            columns: See the class.
            max_per: See :meth:`recommend`.
            boosts: One boost, whose filter has no parameters.
            pins: See :meth:`recommend`.
            next: See :meth:`recommend`.
            release: See the class.
            canary_key: See the class.
        """
        options = list_query(
            exclude,
            columns,
            max_per,
            boosts,
            pins,
            user=user,
            session_id=session_id,
            profile=profile,
            n=n,
            filter=filter,
            filter_values=filter_values,
            next=next,
        )
        target = path(model, "similar", item) + options
        return self._session.ask(Recommendations.read, "GET", target, _headers(release, canary_key))

    def trending(  # noqa: PLR0913  one parameter per field of the route, all by keyword except one
        self,
        model: str,
        *,
        user: str | None = None,
        session_id: str | None = None,
        profile: Mapping[str, str | float] | None = None,
        n: int | None = None,
        exclude: Sequence[str] | None = None,
        filter: str | None = None,  # noqa: A002  the field's name in a request
        filter_values: Mapping[str, FilterValue] | None = None,
        columns: Sequence[str] | None = None,
        max_per: Mapping[str, int] | None = None,
        boosts: Boost | None = None,
        pins: Mapping[int, str] | None = None,
        next: str | None = None,  # noqa: A002  the field's name in a request
        release: str | None = None,
        canary_key: str | None = None,
    ) -> Recommendations:
        """The items whose events grow fastest over the last hours; their score is the significance of the growth.

        They are fewer than ``n`` if fewer trend. A model without live events raises NotFound.

        Args:
            model: A recommender.
            user: The user, for filters on what they did and on their profile.
            session_id: See :meth:`recommend`.
            profile: The user's columns, for filters.
            n: See :meth:`recommend`.
            exclude: See :meth:`recommend`.
            filter: See :meth:`recommend`.
            filter_values: See :meth:`recommend`.
            columns: See the class.
            max_per: See :meth:`recommend`.
            boosts: One boost, whose filter has no parameters.
            pins: See :meth:`recommend`.
            next: See :meth:`recommend`.
            release: See the class.
            canary_key: See the class.
        """
        options = list_query(
            exclude,
            columns,
            max_per,
            boosts,
            pins,
            user=user,
            session_id=session_id,
            profile=profile,
            n=n,
            filter=filter,
            filter_values=filter_values,
            next=next,
        )
        target = path(model, "trending") + options
        return self._session.ask(Recommendations.read, "GET", target, _headers(release, canary_key))

    # --------------------------------------------------------------------------------------------------- Models

    def models(self, *, text: str | None = None) -> tuple[ModelSummary, ...]:
        """All models, or those whose name contains ``text``, by name; asks for each page of 100."""
        found: list[ModelSummary] = []
        following: str | None = None
        while True:
            page = self._session.ask(dict, "GET", "/v1/models" + query(text=text, next=following))
            found += ModelSummary.read_all(page)
            following = page.get("next")
            if following is None:
                return tuple(found)

    def model(self, name: str) -> Model:
        """One model: its pointer, what its live release offers, and the headline of its evaluation."""
        return self._session.ask(Model.read, "GET", path(name))

    def releases(  # noqa: PLR0913  # the parameters of the route
        self,
        name: str,
        *,
        n: int | None = None,
        next: str | None = None,  # noqa: A002  # the API's name
        order: str | None = None,
        state: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
        text: str | None = None,
        parent: str | None = None,
        metric: str | None = None,
        above: float | None = None,
        below: float | None = None,
        training: str | None = None,
    ) -> Releases:
        """A page of the releases of a model.

        A page may have fewer than ``n`` releases, or none, and a ``next``: few of those that it looked at match.

        Args:
            name: The model.
            n: How many, 1 to 100; 25 by default.
            next: The ``next`` of the page before.
            order: ``newest`` (the default), ``oldest``, or ``best`` or ``worst`` by ``metric``.
            state: Only releases in this state.
            created_from: From this date or time in UTC on, such as ``2026-01-02`` or ``2026-01-02T03:04:05Z``.
            created_to: Up to this date or time, which counts.
            text: What the release's name contains.
            parent: The release that the training went on from.
            metric: The metric of the next two and of ``order``; the headline of the evaluation by default.
            above: The least value of the metric.
            below: The largest value of the metric.
            training: A path into the manifest's ``training`` and its value: ``hyperparameters.half_life=30``.
        """
        options: dict[str, Any] = {"from": created_from, "to": created_to}
        found = query(
            n=n,
            next=next,
            order=order,
            state=state,
            text=text,
            parent=parent,
            metric=metric,
            above=above,
            below=below,
            training=training,
            **options,
        )
        return self._session.ask(Releases.read, "GET", path(name, "releases") + found)

    def filters(self, name: str) -> Mapping[str, StoredFilter]:
        """The stored filters of a model, by name."""
        return self._session.ask(StoredFilter.read_all, "GET", path(name, "filters"))

    def filter(self, name: str, filter_name: str) -> StoredFilter:
        """A stored filter of a model. Raises NotFound if there is none of this name."""
        return self._session.ask(StoredFilter.read, "GET", path(name, "filters", filter_name))

    def put_filter(self, name: str, filter_name: str, expression: str) -> StoredFilter:
        """Stores a filter for a model, in place of one of this name; a request names it as ``@`` and its name."""
        target, document = path(name, "filters", filter_name), {"expression": expression}
        return self._session.post(StoredFilter.read, target, {}, document, method="PUT")

    def delete_filter(self, name: str, filter_name: str) -> StoredFilter:
        """Removes a stored filter, and returns it. Raises NotFound if there is none of this name."""
        return self._session.ask(StoredFilter.read, "DELETE", path(name, "filters", filter_name))

    def put_events(self, name: str, events: Sequence[Mapping[str, object]]) -> Taken:
        """Sends up to 500 events; the next recommendation has them.

        Give each event an ``id``, so that one that is sent again is a duplicate. Raises BadRequest if all are refused.
        """
        return self._session.post(Taken.read, path(name, "events"), {}, {"events": list(events)})

    def put_items(self, name: str, items: Sequence[Mapping[str, object]]) -> Taken:
        """Sends up to 500 items, each with ``id`` and ``columns``; new ones take part in answers at once."""
        return self._session.post(Taken.read, path(name, "items"), {}, {"items": list(items)})

    def put_users(self, name: str, users: Sequence[Mapping[str, object]]) -> Taken:
        """Sends the profiles of up to 500 users, each with ``id`` and ``columns``."""
        return self._session.post(Taken.read, path(name, "users"), {}, {"users": list(users)})

    def export_user(self, user: str, *, model: str | None = None) -> Mapping[str, Any]:
        """What the live stores of all models have of a user, or that of one model: events, profile and sessions."""
        return self._session.ask(dict, "GET", route("users", user) + query(model=model))

    def remove_user(self, user: str, *, model: str | None = None) -> Deletion:
        """Removes a user from all models, or from one; returns the receipt, which says what follows.

        Call it again after any error: a removal that was done is done again without harm.
        """
        return self._session.ask(Deletion.read, "DELETE", route("users", user) + query(model=model))

    def deletion(self, receipt: str) -> Deletion:
        """The state of a removal. Raises NotFound if there is no such receipt."""
        return self._session.ask(Deletion.read, "GET", route("deletions", receipt))

    def event_settings(self, name: str) -> Mapping[str, Any]:
        """The settings of a model's live events."""
        return self._session.ask(dict, "GET", path(name, "events", "settings"))

    def put_event_settings(self, name: str, **changes: object) -> Mapping[str, Any]:
        """Changes settings of a model's live events, such as ``enabled=True``; the others stay."""
        return self._session.post(dict, path(name, "events", "settings"), {}, changes, method="PUT")

    def attribution(
        self,
        name: str,
        *,
        first: str | None = None,
        last: str | None = None,
        by: Literal["release", "source", "position", "filter"] = "release",
    ) -> Mapping[str, Any]:
        """What a model's recommendations earned: impressions, click-through and conversion, with 95 % intervals.

        Args:
            name: The model.
            first: The first UTC day, such as ``2026-11-02``; None for the 28 days up to ``last``.
            last: The last UTC day; None for today.
            by: What to compare.
        """
        return self._session.ask(
            dict, "GET", path(name, "attribution") + query(**{"from": first, "to": last, "by": by})
        )

    def promote(
        self, name: str, release: str, *, force: bool = False, revision: int | None = None
    ) -> Mapping[str, Any]:
        """Makes a release live that a rollout has checked, and returns the pointer.

        Args:
            name: The model.
            release: The release.
            force: Whether to promote it even if it is worse than the live one, or was rejected for that.
            revision: The pointer's revision that was seen; if it has changed, the service refuses with 409.
        """
        document = {"force": force, **({} if revision is None else {"revision": revision})}
        return self._session.post(dict, path(name, "releases", release, "promote"), {}, document)

    def roll_back(self, name: str, *, revision: int | None = None) -> Mapping[str, Any]:
        """Makes the previous release live again, and returns the pointer; ``revision`` as in :meth:`promote`."""
        document = {} if revision is None else {"revision": revision}
        return self._session.post(dict, path(name, "rollback"), {}, document)

    def reject(self, name: str, release: str, reason: str) -> Mapping[str, Any]:
        """Keeps a release from going live, for a reason of 1 to 500 characters; the canary stops to answer."""
        return self._session.post(dict, path(name, "releases", release, "reject"), {}, {"reason": reason})

    def delete_release(self, name: str, release: str) -> Mapping[str, Any]:
        """Removes a release that is neither live, previous nor canary: ``files`` and ``bytes`` that were removed."""
        return self._session.ask(dict, "DELETE", path(name, "releases", release))

    def live(self, name: str) -> Mapping[str, Any]:
        """The release of a model that is live. Raises Unavailable if none is."""
        return self._session.ask(dict, "GET", path(name, "live"))

    def ready(self, name: str) -> Mapping[str, Any]:
        """That a model's live release can answer, and its last heartbeat. Raises Unavailable if it cannot."""
        return self._session.ask(dict, "GET", path(name, "ready"))

    def rollout(self, name: str, release: str) -> Mapping[str, Any]:
        """The record of a release's last rollout. Raises NotFound if there is none."""
        return self._session.ask(dict, "GET", path(name, "releases", release, "rollout"))

    def compare(
        self, name: str, release: str, base: str | None = None, *, metric: str | None = None
    ) -> Mapping[str, Any]:
        """A release beside ``base``, the live one by default: quality, size, and the labels or items that differ."""
        target = path(name, "releases", release, "comparison") + query(base=base, metric=metric)
        return self._session.ask(dict, "GET", target)

    def history(self, name: str, *, n: int | None = None, next: int | None = None) -> Mapping[str, Any]:  # noqa: A002  # the API's name
        """The newest ``n`` changes of a model's pointer, newest first; 1 to 100, 25 by default.

        ``next`` of the answer, given here, leads to the page after it; it is None on the last.
        """
        return self._session.ask(dict, "GET", path(name, "history") + query(n=n, next=next))

    def canary(self, name: str) -> Mapping[str, Any]:
        """The canary of a model, its share of the callers, and how its metrics compare with the live release's.

        Raises NotFound if it has none.
        """
        return self._session.ask(dict, "GET", path(name, "canary"))

    def policy(self, name: str) -> Mapping[str, Any]:
        """What a model requires of a new release."""
        return self._session.ask(dict, "GET", path(name, "policy"))

    def put_policy(self, name: str, **changes: object) -> Mapping[str, Any]:
        """Changes what a model requires of a new release, such as ``margin=0.01``; the other fields stay."""
        return self._session.post(dict, path(name, "policy"), {}, changes, method="PUT")

    def schedule(self, name: str) -> Mapping[str, Any]:
        """When a model is trained again by itself; ``next`` is the next time."""
        return self._session.ask(dict, "GET", path(name, "schedule"))

    def put_schedule(self, name: str, **changes: object) -> Mapping[str, Any]:
        """Changes when a model is trained again, such as ``cron="0 3 * * *", enabled=True``; the other fields stay."""
        return self._session.post(dict, path(name, "schedule"), {}, changes, method="PUT")

    def manifest(self, name: str, release: str) -> Mapping[str, Any]:
        """The stored manifest of a release: serving, evaluation, training and structure."""
        return self._session.ask(dict, "GET", path(name, "releases", release))

    def structure(self, name: str, release: str) -> Structure:
        """What a release consists of."""
        return self._session.ask(Structure.read, "GET", path(name, "releases", release, "structure"))

    def files(self, name: str, release: str) -> tuple[File, ...]:
        """A release's files, by name."""
        return self._session.ask(File.read_all, "GET", path(name, "releases", release, "files"))

    def download(self, name: str, release: str, file: str, target: "os.PathLike[str] | str") -> Path:
        """Downloads one file of a release, in parts, and checks its SHA-256.

        Args:
            name: The model.
            release: The release.
            file: The file's name, as :meth:`files` lists it.
            target: The path to write, or a folder. An existing file is replaced when the new one is complete.

        Returns:
            The path of the file.

        Raises:
            OSError: The file cannot be written.
        """
        files = {entry.name: entry for entry in self.files(name, release)}
        if file not in files:
            names = ", ".join(files)
            raise NotFound(404, "not_found", f"Release {release} has no file {file!r}: use one of {names}.")
        destination = Path(target)
        if destination.is_dir():
            destination /= file
        download(self._session, files[file], destination)
        return destination

    # -------------------------------------------------------------------------------------------------- Service

    def health(self) -> bool:
        """Whether the service answers ``ok``. Raises ClientError if it does not answer."""
        return self._session.ask(lambda document: bool(document["status"] == "ok"), "GET", "/health")

    def openapi(self) -> Mapping[str, Any]:
        """The service's OpenAPI document."""
        return self._session.ask(dict, "GET", "/openapi.json")


def _headers(release: str | None, canary_key: str | None) -> dict[str, str]:
    return headers_of({"x-larder-release": release, "x-larder-key": canary_key})

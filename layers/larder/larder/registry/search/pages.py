"""One page of releases: reads no more of them than it shows, or than ``MAX_READ`` to find them.

A page reads one listing of names, and for each release that it looks at a listing of its files and, once, its manifest.
There is no index that could differ from the releases; the names sort by time, so that most pages read what they show.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from larder.errors import InvalidRequest
from larder.registry.search.query import ReleaseQuery

MAX_READ: Final = 200
"""The most releases that a page in the order of time looks at to find those that match, unless ``n`` is more."""
MAX_SORTED: Final = 1000
"""The most releases that a page in the order of a metric looks at."""
_CONNECTIONS: Final = 8

Found = tuple[str, float | None, dict[str, object]]
"""A release that matches: its name, the value of the metric and its document."""


def read_page(
    query: ReleaseQuery, candidates: list[str], read: Callable[[str], Found | None]
) -> tuple[list[dict[str, object]], str | None]:
    """The documents of the releases of one page, and the ``next`` of the page after it; None if this is the last.

    Args:
        query: What was asked.
        candidates: The names that may match, in the order of time.
        read: A release's document if it matches.

    Raises:
        InvalidRequest: There are too many to put in the order of a metric, or ``next`` is not one of them.
    """
    with ThreadPoolExecutor(_CONNECTIONS) as threads:

        def read_all(names: list[str]) -> list[Found]:
            return [found for found in threads.map(read, names) if found is not None]

        return _by_metric(query, candidates, read_all) if query.is_by_metric else _by_time(query, candidates, read_all)


def _by_time(
    query: ReleaseQuery, candidates: list[str], read_all: Callable[[list[str]], list[Found]]
) -> tuple[list[dict[str, object]], str | None]:
    found: list[Found] = []
    position = 0
    while position < len(candidates) and len(found) < query.n and position < max(MAX_READ, query.n):
        batch = candidates[position : position + max(query.n - len(found), _CONNECTIONS)]
        found += read_all(batch)
        position += len(batch)
    shown = found[: query.n]
    seen = shown[-1][0] if len(found) > query.n else candidates[position - 1] if position else ""
    is_last = not candidates or seen == candidates[-1]
    return [document for _, _, document in shown], None if is_last else seen


def _by_metric(
    query: ReleaseQuery, candidates: list[str], read_all: Callable[[list[str]], list[Found]]
) -> tuple[list[dict[str, object]], str | None]:
    if len(candidates) > MAX_SORTED:
        raise InvalidRequest(
            f"{len(candidates)} releases are too many to put in the order of a metric: "
            f"narrow them to {MAX_SORTED} by from and to."
        )
    found = sorted(read_all(candidates), key=lambda one: (one[1] or 0.0, one[0]), reverse=query.order == "best")
    start = 0
    if query.next is not None:
        names = [name for name, _, _ in found]
        if query.next not in names:
            raise InvalidRequest(f"next is {query.next!r}, which is not in the list any more: begin at the first page.")
        start = names.index(query.next) + 1
    shown = found[start : start + query.n]
    return [document for _, _, document in shown], shown[-1][0] if start + query.n < len(found) else None

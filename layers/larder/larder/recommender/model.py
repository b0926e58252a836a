"""The recommender: scores candidates by the tables, filters them and adds reasons."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Final

from larder.errors import InvalidManifest, InvalidRequest, NotFound
from larder.host import ReleaseFiles
from larder.recommender.query import Promotion, Query, check_ranked
from larder.recommender.reasons import Candidate, explain, segment_reason
from larder.recommender.response import Reason, Recommendation, Recommendations, Unknown
from larder.recommender.rules.filtering import ItemFilters, MakeContext
from larder.recommender.rules.promotions import interleave, place_count
from larder.recommender.rules.request_context import request_context
from larder.recommender.rules.user_data import UserData
from larder.recommender.scoring import Contributions, Scores, best_first
from larder.recommender.segments import Profile, typed_profile
from larder.recommender.table_lookup import Tables
from larder.release.serving import ProfileColumn, RecommenderServing
from larder.tables import Reader
from larder.tables.vocabulary import Vocabulary

if TYPE_CHECKING:  # imported when a filter is first used
    from larder.filters import Predicate, Value

LOCAL_BYTES: Final = 64 * 2**20
NAMES: Final = 2**14  # at most 3 MB; decoding a name takes as long as four look-ups


class Recommender:
    """A loaded release. Thread-safe; the same query always gets the same response."""

    def __init__(self, serving: RecommenderServing, items: Vocabulary, tables: Tables, users: UserData) -> None:
        self._serving = serving
        self._items = items
        self._tables = tables
        self._users = users
        stored = serving.profiles.columns if serving.profiles else {}
        self._profile = {**{name: ProfileColumn(kind) for name, kind in stored.items()}, **serving.profile}
        self._name = lru_cache(NAMES)(items.id)  # some items are recommended often, and are reasons for many others
        self._filters = ItemFilters(items, serving.rules)

    @classmethod
    def open(cls, files: ReleaseFiles) -> "Recommender":
        """Open a release. The items and tables up to 64 MiB are downloaded, larger ones are read in the store.

        Raises InvalidTable, InvalidManifest or StoreError if the release cannot be served.
        """
        serving = files.manifest.serving
        if not isinstance(serving, RecommenderServing):
            raise InvalidManifest("This release is not a recommender.", ["serving: load it as a classifier"])
        local = [table.file for table in serving.tables if files.manifest.files[table.file].bytes <= LOCAL_BYTES]
        files.fetch([serving.items_file, *local])
        return cls.of(serving, files.reader)

    @classmethod
    def of(cls, serving: RecommenderServing, reader: Callable[[str], Reader]) -> "Recommender":
        """Open the items and tables of ``serving``; ``reader`` returns the reader of a file.

        Raises InvalidTable if a file differs from ``serving``, InvalidManifest if a rule is invalid.
        """
        items, tables = Vocabulary.open(reader(serving.items_file)), Tables.open(serving, reader)
        return cls(serving, items, tables, UserData(serving, reader))

    @property
    def nbytes(self) -> int:
        """The memory and page cache that the release takes, in bytes."""
        return self._items.nbytes + self._tables.nbytes + self._users.nbytes

    def close(self) -> None:
        """Do nothing: files are closed and unmapped with the last reference to them."""

    def recommend(self, query: Query) -> Recommendations:
        """The best ``query.n`` items, best first except for promotions; fewer if filters or the model leave no more.

        If too few items have a score, popular items of the user's segment follow, then those of wider segments; their
        score is mostly 0. Raises InvalidRequest for an unknown column or an invalid filter.
        """
        profile = self._check(query)
        seen, unknown = self._seen(query)
        scores, segments = self._tables.scores(query.user, profile, seen)
        shown = self._serving.shows_seen if query.include_seen is None else query.include_seen
        excluded = self._numbers(query.exclude) | (set() if shown else set(seen))
        warnings: list[str] = []
        context = self._context(query, profile)
        promoted: list[list[Candidate]] = []
        for promotion in query.promotions:
            remaining = query.n - sum(map(len, promoted))
            count = min(remaining, place_count(promotion.percent, query.n))
            promoted.append(self._promoted(promotion, count, scores, excluded, context, warnings))
        n = query.n - sum(map(len, promoted))
        holds = self._filter(query.filter, query.filter_values, context, warnings)
        organic = _choose(_candidates(scores, segments, n + len(excluded)), n, excluded, holds)
        unknown = _with_user(unknown, query, scores)
        return self._response(interleave([organic, *promoted]), scores, query.columns, unknown, warnings)

    def rank(self, query: Query, items: Sequence[str]) -> Recommendations:
        """All ``items`` by score, equal ones in their order; unknown ids at the end, with score None.

        With the query's ``filter``, only items that pass it: an unknown one does not. Neither the release's filters nor
        the query's ``exclude`` and ``n`` apply.
        """
        check_ranked(items)
        profile = self._check(query)
        seen, unseen = self._seen(query)
        scores, _ = self._tables.scores(query.user, profile, seen)
        numbers = [self._items.number(item) for item in items]
        known = [number for number in numbers if number is not None]
        known.sort(key=lambda number: -scores.totals.get(number, 0.0))
        unknown = [item for item, number in zip(items, numbers, strict=True) if number is None]
        warnings: list[str] = []
        if query.filter is not None:
            known, unknown = self._ranked(query, profile, known, unknown, warnings), []
        columns = dict.fromkeys(query.columns) if query.columns else None
        ranked = self._response([(number, None) for number in known], scores, query.columns)
        items_unknown = (Recommendation(item, None, None, columns) for item in unknown)
        unseen = _with_user(unseen, query, scores)
        return Recommendations((*ranked.items, *items_unknown), unseen, tuple(warnings), scores.totals)

    def _ranked(
        self, query: Query, profile: Profile, known: list[int], unknown: Sequence[str], warnings: list[str]
    ) -> list[int]:
        """The ``known`` items that pass the query's filter; adds to ``warnings``."""
        assert query.filter is not None, "the caller has checked it"  # noqa: S101  # for the type checker
        compiled = self._filters.requested(query.filter, query.filter_values, self._context(query, profile))
        warnings += compiled.warnings
        if unknown:
            warnings.append(
                f"Items that the model does not know pass no filter: {len(unknown)}, such as {unknown[0]!r:.60}."
            )
        return [number for number in known if compiled.holds(number)]

    def similar(self, query: Query) -> Recommendations:
        """The neighbours of ``query.item``, best first, with their scores in its row; filters and ``exclude`` apply.

        Raises NotFound for an unknown item.
        """
        profile = self._check(query)
        number = None if query.item is None else self._items.number(query.item)
        if number is None or query.item is None:
            raise NotFound(f"This model has no item {query.item!r:.80}: use an id of its training data.")
        totals = dict(zip(*self._tables.neighbours.row(number), strict=True))
        excluded = self._numbers(query.exclude) | {number}
        warnings: list[str] = []
        holds = self._filter(query.filter, query.filter_values, self._context(query, profile), warnings)
        reason = Reason("item", items=(query.item,))
        candidates = ((neighbour, reason) for neighbour in best_first(totals, query.n + len(excluded)))
        chosen = _choose(candidates, query.n, excluded, holds)
        return self._response(chosen, Scores(totals=totals), query.columns, None, warnings)

    def _check(self, query: Query) -> Profile:
        """The typed profile; raises InvalidRequest for unknown columns or values of the wrong type."""
        for name in query.columns:
            if name not in self._items.columns:
                known = ", ".join(sorted(self._items.columns)) or "none"
                raise InvalidRequest(f"{name[:80]!r} is not a column of this model's items: use {known}.")
        return typed_profile(query.profile, self._profile) if query.profile else query.profile

    def _seen(self, query: Query) -> tuple[list[int], Unknown]:
        """The numbers of the item in view and of the session's items, newest first, and those that are unknown."""
        number = self._items.number
        numbers = [] if query.item is None else [number(query.item)]
        item = query.item if numbers == [None] else None
        unknown: list[str] = []
        for recent in reversed(query.session):
            numbers.append(found := number(recent))
            if found is None:
                unknown.append(recent)
        return [known for known in numbers if known is not None], Unknown(None, item, tuple(dict.fromkeys(unknown)))

    def _context(self, query: Query, profile: Profile) -> MakeContext:
        """Makes the context of a request at its first use, once for all of its filters."""
        return lru_cache(1)(lambda: request_context(self._serving, self._items, self._users, query, profile))

    def _filter(
        self, text: str | None, values: "Mapping[str, Value]", context: MakeContext, warnings: list[str]
    ) -> "Predicate | None":
        """Whether an item passes the release's filters and ``text``; None if all do. Adds to ``warnings``."""
        compiled = self._filters.compiled(text, values, context)
        if compiled is None:
            return None
        warnings += [warning for warning in compiled.warnings if warning not in warnings]
        return compiled.holds

    def _numbers(self, ids: Sequence[str]) -> set[int]:
        numbers = (self._items.number(item) for item in ids)
        return {number for number in numbers if number is not None}

    def _promoted(
        self,
        promotion: Promotion,
        count: int,
        scores: Scores,
        excluded: set[int],
        context: MakeContext,
        warnings: list[str],
    ) -> list[Candidate]:
        """The promotion's items to show, best first; the release's filters and the promotion's own apply."""
        if promotion.filter is not None:
            pool: Sequence[int] = self._filters.matching(promotion.filter, promotion.filter_values, context)
            holds = self._filter(promotion.filter, promotion.filter_values, context, warnings)
            scored: Iterator[int] = best_first(scores.totals, count + len(excluded))
        else:
            numbers = [self._items.number(item) for item in promotion.items]
            pool = sorted({number for number in numbers if number is not None})
            pool, scored = sorted(pool, key=lambda number: -scores.totals.get(number, 0.0)), iter(())
            holds = self._filter(None, {}, context, warnings)
            if unknown := [item for item, number in zip(promotion.items, numbers, strict=True) if number is None]:
                warnings.append(
                    f"Promoted items that the model does not know: {len(unknown)}, such as {unknown[0]!r:.60}."
                )
        reason = Reason("promotion", promotion=promotion.name)
        return _choose(((number, reason) for number in chain(scored, pool)), count, excluded, holds)

    def _response(
        self,
        candidates: Sequence[Candidate],
        scores: Scores,
        columns: Sequence[str],
        unknown: Unknown | None = None,
        warnings: Sequence[str] = (),
    ) -> Recommendations:
        reasons = explain(candidates, scores, self._tables.neighbours.slots_of, self._name)
        totals, items, name = scores.totals, self._items, self._name
        return Recommendations(
            tuple(
                Recommendation(
                    name(number),
                    totals.get(number, 0.0),
                    reason,
                    {column: items.value(column, number) for column in columns} if columns else None,
                )
                for (number, _), reason in zip(candidates, reasons, strict=True)
            ),
            unknown,
            tuple(warnings),
            totals,
        )


def _with_user(unknown: Unknown, query: Query, scores: Scores) -> Unknown:
    """``unknown`` with the user, if the model has no row of them."""
    return unknown._replace(user=query.user) if query.user is not None and not scores.knows_user else unknown


def _candidates(scores: Scores, segments: Iterator[tuple[str, Contributions]], count: int) -> Iterator[Candidate]:
    """Scored items, best first, then the popular items of each segment, most specific first."""
    for number in best_first(scores.totals, count):
        yield number, None
    for text, contributions in segments:
        reason = segment_reason(text)
        for number in contributions:
            yield number, reason


def _choose(
    candidates: Iterator[Candidate], count: int, excluded: set[int], allowed: "Predicate | None"
) -> list[Candidate]:
    """The first ``count`` candidates that are allowed and not ``excluded``; adds them to ``excluded``."""
    chosen: list[Candidate] = []
    # Do not request a candidate after the last one: it may need a sort of all the others.
    while len(chosen) < count and (candidate := next(candidates, None)) is not None:
        number = candidate[0]
        if number not in excluded and (allowed is None or allowed(number)):
            excluded.add(number)
            chosen.append(candidate)
    return chosen

"""The recommender: what the tables say, chosen from, ruled and explained for each request."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Final

from larder.errors import InvalidManifest, InvalidRequest, NotFound
from larder.host import ReleaseFiles
from larder.recommender.filtering import Ruling
from larder.recommender.promotions import places, spread
from larder.recommender.query import Promotion, Query, check_ranked
from larder.recommender.reasons import Chosen, explain, of_segment
from larder.recommender.response import Reason, Recommendation, Recommendations
from larder.recommender.scoring import Evidence, Shares, best_first
from larder.recommender.segments import Profile, typed_profile
from larder.recommender.table_lookup import Tables
from larder.release.serving import RecommenderServing
from larder.tables import Reader
from larder.tables.vocabulary import Vocabulary

if TYPE_CHECKING:  # rules are loaded where a filter is first used
    from larder.filters import Predicate

LOCAL_BYTES: Final = 64 * 2**20
NAMES: Final = 2**14  # at most 3 MB; to read a name anew takes as long as four look-ups


class Recommender:
    """One opened release. Pure reading: the same query gives the same answer, from any thread."""

    def __init__(self, serving: RecommenderServing, items: Vocabulary, tables: Tables) -> None:
        self._serving = serving
        self._items = items
        self._tables = tables
        self._name = lru_cache(NAMES)(items.id)  # one item is recommended often, and speaks for many in one answer
        self._ruling = Ruling(items, serving.rules)

    @classmethod
    def open(cls, files: ReleaseFiles) -> "Recommender":
        """Opens a release: the items and every table of up to 64 MiB on this machine, larger tables where they are.

        Raises InvalidTable, InvalidManifest or StoreError where the release cannot be served.
        """
        serving = files.manifest.serving
        if not isinstance(serving, RecommenderServing):
            raise InvalidManifest("This release is no recommender.", ["serving: train it as a recommender"])
        local = [table.file for table in serving.tables if files.manifest.files[table.file].bytes <= LOCAL_BYTES]
        files.fetch([serving.items_file, *local])
        return cls.of(serving, files.reader)

    @classmethod
    def of(cls, serving: RecommenderServing, reader: Callable[[str], Reader]) -> "Recommender":
        """The items and the tables that ``serving`` names, each from what ``reader`` gives for its file.

        Raises InvalidTable where a file is not what ``serving`` says, InvalidManifest where a rule does not fit.
        """
        return cls(serving, Vocabulary.open(reader(serving.items_file)), Tables.open(serving, reader))

    @property
    def nbytes(self) -> int:
        """Bytes of memory and page cache that this release holds."""
        return self._items.nbytes + self._tables.nbytes

    def close(self) -> None:
        """Nothing is held that does not go with this object: maps go with the last view of them."""

    def recommend(self, query: Query) -> Recommendations:
        """The best ``query.n`` items, best first but for promotions; fewer only where rules or the model leave no more.

        Too few scored items are followed by popular ones of the user's segment, then of wider segments: their score is
        what the model gives them, mostly 0. Raises InvalidRequest for an unknown column or a filter that does not fit.
        """
        profile = self._checked(query)
        seen = self._seen(query)
        evidence, segments = self._tables.evidence(query.user, profile, seen)
        shown = self._serving.shows_seen if query.include_seen is None else query.include_seen
        taken = self._numbers(query.exclude) | (set() if shown else set(seen))
        promoted: list[list[Chosen]] = []
        for promotion in query.promotions:
            left = query.n - sum(map(len, promoted))
            promoted.append(self._promoted(promotion, min(left, places(promotion.percent, query.n)), evidence, taken))
        n = query.n - sum(map(len, promoted))
        allowed = self._ruling.allowed(query.filter, query.filter_values)
        organic = _choose(_candidates(evidence, segments, n + len(taken)), n, taken, allowed)
        return self._answer(spread([organic, *promoted]), evidence, query.columns)

    def rank(self, query: Query, items: Sequence[str]) -> Recommendations:
        """All of ``items`` by their score, equal ones in the order given; unknown ids at the end, with score None.

        Every item is kept: neither the release's rules nor the query's ``filter``, ``exclude`` and ``n`` apply.
        """
        check_ranked(items)
        profile = self._checked(query)
        evidence, _ = self._tables.evidence(query.user, profile, self._seen(query))
        numbers = [self._items.number(item) for item in items]
        known = [number for number in numbers if number is not None]
        known.sort(key=lambda number: -evidence.totals.get(number, 0.0))
        unknown = [item for item, number in zip(items, numbers, strict=True) if number is None]
        columns = dict.fromkeys(query.columns) if query.columns else None
        ranked = self._answer([(number, None) for number in known], evidence, query.columns)
        return Recommendations((*ranked.items, *(Recommendation(item, None, None, columns) for item in unknown)))

    def similar(self, query: Query) -> Recommendations:
        """The neighbours of ``query.item``, best first, with their scores in its row; rules and ``exclude`` apply.

        Raises NotFound where the model does not know the item.
        """
        self._checked(query)
        number = None if query.item is None else self._items.number(query.item)
        if number is None or query.item is None:
            raise NotFound(f"This model knows no item {query.item!r:.80}: use an id that it was trained with.")
        totals = dict(zip(*self._tables.neighbours.row(number), strict=True))
        taken = self._numbers(query.exclude) | {number}
        allowed = self._ruling.allowed(query.filter, query.filter_values)
        because = Reason("item", items=(query.item,))
        candidates = ((near, because) for near in best_first(totals, query.n + len(taken)))
        return self._answer(_choose(candidates, query.n, taken, allowed), Evidence(totals=totals), query.columns)

    def _checked(self, query: Query) -> Profile:
        """The typed profile; raises InvalidRequest for what does not fit this release's columns."""
        for name in query.columns:
            if name not in self._items.columns:
                known = ", ".join(sorted(self._items.columns)) or "none"
                raise InvalidRequest(f"{name[:80]!r} is no column of this model's items: ask for {known}.")
        return typed_profile(query.profile, self._serving.profile) if query.profile else query.profile

    def _seen(self, query: Query) -> list[int]:
        """The numbers of the item in view and the session's items, newest first, unknown ones left out."""
        ids = (query.item, *reversed(query.session)) if query.item is not None else reversed(query.session)
        numbers = (self._items.number(item) for item in ids)
        return [number for number in numbers if number is not None]

    def _numbers(self, ids: Sequence[str]) -> set[int]:
        numbers = (self._items.number(item) for item in ids)
        return {number for number in numbers if number is not None}

    def _promoted(self, promotion: Promotion, wanted: int, evidence: Evidence, taken: set[int]) -> list[Chosen]:
        """The promotion's items that are shown, best score first; they obey the release's rules and its own filter."""
        if promotion.filter is not None:
            pool: Sequence[int] = self._ruling.matching(promotion.filter, promotion.filter_values)
            allowed = self._ruling.allowed(promotion.filter, promotion.filter_values)
            scored: Iterator[int] = best_first(evidence.totals, wanted + len(taken))
        else:
            pool, scored = sorted(self._numbers(promotion.items)), iter(())
            pool = sorted(pool, key=lambda number: -evidence.totals.get(number, 0.0))
            allowed = self._ruling.allowed(None, {})
        because = Reason("promotion", promotion=promotion.name)
        return _choose(((number, because) for number in chain(scored, pool)), wanted, taken, allowed)

    def _answer(self, chosen: Sequence[Chosen], evidence: Evidence, columns: Sequence[str]) -> Recommendations:
        explained = explain(chosen, evidence, self._tables.neighbours.slots_of, self._name)
        totals, items, name = evidence.totals, self._items, self._name
        return Recommendations(
            tuple(
                Recommendation(
                    name(number),
                    totals.get(number, 0.0),
                    because,
                    {column: items.value(column, number) for column in columns} if columns else None,
                )
                for (number, _), because in zip(chosen, explained, strict=True)
            )
        )


def _candidates(evidence: Evidence, segments: Iterator[tuple[str, Shares]], wanted: int) -> Iterator[Chosen]:
    """Scored items best first, then popular ones of each segment, most specific first."""
    for number in best_first(evidence.totals, wanted):
        yield number, None
    for text, shares in segments:
        because = of_segment(text)
        for number in shares:
            yield number, because


def _choose(candidates: Iterator[Chosen], wanted: int, taken: set[int], allowed: "Predicate | None") -> list[Chosen]:
    """The first ``wanted`` candidates that are not ``taken`` yet and allowed; they are taken then."""
    chosen: list[Chosen] = []
    # The one after the last is not asked for: it may cost a sort of all the others.
    while len(chosen) < wanted and (candidate := next(candidates, None)) is not None:
        number = candidate[0]
        if number not in taken and (allowed is None or allowed(number)):
            taken.add(number)
            chosen.append(candidate)
    return chosen

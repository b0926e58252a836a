"""The recommender: scores candidates by the tables, filters them and adds reasons."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from larder.errors import InvalidManifest, InvalidRequest, NotFound
from larder.host import ReleaseFiles
from larder.recommender.live_events import Session, join_session
from larder.recommender.new_items.exploration import NOTHING_DRAWN, CreationTimes, Drawn
from larder.recommender.new_items.live_catalogue import LiveCatalogue, NumberedItems
from larder.recommender.query import Query, check_ranked
from larder.recommender.reasons import Candidate, explain, segment_reason
from larder.recommender.response import Reason, Recommendation, Recommendations, Unknown
from larder.recommender.rules.filtering import ItemFilters
from larder.recommender.rules.request_context import request_context
from larder.recommender.rules.request_rules import RequestRules
from larder.recommender.rules.user_data import UserData
from larder.recommender.scoring import Contributions, Scores, best_first
from larder.recommender.segments import Profile, known_profile, typed_profile
from larder.recommender.table_lookup import Tables
from larder.release.serving import DEFAULT_CONTENT, ContentSpec, ProfileColumn, RecommenderServing
from larder.tables import Reader
from larder.tables.vocabulary import Vocabulary

_TRENDING: Final = Reason("trending")
LOCAL_BYTES: Final = 64 * 2**20
NAMES: Final = 2**14  # at most 3 MB; decoding a name takes as long as four look-ups


class Recommender:
    """A loaded release. Thread-safe; the same query always gets the same response."""

    def __init__(
        self,
        serving: RecommenderServing,
        items: Vocabulary,
        tables: Tables,
        users: UserData,
        catalogue: LiveCatalogue | None = None,
        created: CreationTimes | None = None,
    ) -> None:
        """``catalogue`` extends ``items``; ``created`` are those of ``items``."""
        self._serving = serving
        self._base = items
        self._catalogue = catalogue
        self._created = created or CreationTimes(items)
        self._items: NumberedItems = items if catalogue is None else catalogue
        self._tables = tables
        self._users = users
        stored = serving.profiles.columns if serving.profiles else {}
        self._profile = {**{name: ProfileColumn(kind) for name, kind in stored.items()}, **serving.profile}
        self._name = lru_cache(NAMES)(
            self._items.id
        )  # some items are recommended often, and are reasons for many others
        self._filters = ItemFilters(self._items, serving.rules)

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
        return self._base.nbytes + self._tables.nbytes + self._users.nbytes

    @property
    def items(self) -> Vocabulary:
        """The items of the release, without new ones."""
        return self._base

    @property
    def content(self) -> ContentSpec:
        """How new items are placed among those of the release."""
        return self._serving.content or DEFAULT_CONTENT

    def extended(self, catalogue: LiveCatalogue) -> "Recommender":
        """This release with new items, on the same tables; making it compiles the release's filters again."""
        return Recommender(self._serving, self._base, self._tables, self._users, catalogue, self._created)

    def new_since(self, time: float) -> Sequence[int]:
        """The numbers of the items that were created at ``time``, in epoch seconds, or later.

        They are those of the release whose column ``CREATION_TIMESTAMP`` says so, at most 2,000, and those that were
        put since. The first call may take a second: it reads the column of all items.
        """
        created = self._created.since(time)
        return created if self._catalogue is None else [*created, *self._catalogue.new_since(time)]

    def close(self) -> None:
        """Do nothing: files are closed and unmapped with the last reference to them."""

    def recommend(self, query: Query) -> Recommendations:
        """The best ``query.n`` items, best first except for promotions and pins.

        They are fewer if filters, caps or the model leave no more. A share of them are new items if the query explores.

        If too few items have a score, popular items of the user's segment follow, then those of wider segments; their
        score is mostly 0. Raises InvalidRequest for an unknown column or an invalid filter.
        """
        profile = self._check(query)
        session = self._session(query)
        scores, segments = self._scores(query, profile, session)
        shown = self._serving.shows_seen if query.include_seen is None else query.include_seen
        hides_live = query.include_seen is False or query.live is None or not query.live.repeats
        excluded = (
            self._numbers(query.exclude) | self._hidden(query) | (set() if shown else session.seen(live=hides_live))
        )
        rules = self._rules(query, profile)
        scores = rules.boosted(scores)
        chosen = rules.arrange(scores, lambda count: _candidates(scores, segments, count), excluded, self._drawn(query))
        return self._response(chosen, scores, rules, query.columns, _with_user(session.unknown, query, scores))

    def rank(self, query: Query, items: Sequence[str]) -> Recommendations:
        """All ``items`` by score, equal ones in their order; unknown ids at the end, with score None.

        With the query's ``filter``, only items that pass it: an unknown one does not. Neither the release's filters nor
        the query's ``exclude`` and ``n`` apply, and no event type hides an item.
        """
        check_ranked(items)
        profile = self._check(query)
        session = self._session(query)
        scores, _ = self._scores(query, profile, session)
        numbers = [self._items.number(item) for item in items]
        known = [number for number in numbers if number is not None]
        known.sort(key=lambda number: -scores.totals.get(number, 0.0))
        unknown = [item for item, number in zip(items, numbers, strict=True) if number is None]
        rules = self._rules(query, profile)
        if query.filter is not None:
            known, unknown = list(rules.passing(known, unknown)), []
        columns = dict.fromkeys(query.columns) if query.columns else None
        ranked = self._response([(number, None) for number in known], scores, rules, query.columns)
        items_unknown = (Recommendation(item, None, None, columns) for item in unknown)
        return replace(
            ranked, items=(*ranked.items, *items_unknown), unknown=_with_user(session.unknown, query, scores)
        )

    def similar(self, query: Query) -> Recommendations:
        """The neighbours of ``query.item``, best first, with their scores in its row; filters and ``exclude`` apply.

        Raises NotFound for an unknown item.
        """
        profile = self._check(query)
        number = None if query.item is None else self._items.number(query.item)
        if self._catalogue is not None and number is not None:
            number = next(iter(self._catalogue.known_to_tables([number])), None)
        if number is None or query.item is None:
            raise NotFound(f"This model has no item {query.item!r:.80}: use an id of its training data.")
        rules = self._rules(query, profile)
        scores = Scores(totals=dict(zip(*self._tables.neighbours.row(number), strict=True)))
        if self._catalogue is not None:
            scores = self._catalogue.scored(scores, [number], 1.0, 1.0)
        scores = rules.boosted(scores)
        reason = Reason("item", items=(query.item,))

        def candidates(count: int) -> Iterator[Candidate]:
            return ((neighbour, reason) for neighbour in best_first(scores.totals, count))

        hidden = self._numbers([*query.exclude, query.item]) | self._hidden(query) | {number}
        chosen = rules.arrange(scores, candidates, hidden)
        return self._response(chosen, scores, rules, query.columns)

    def trending(self, query: Query, rising: Sequence[tuple[str, float]]) -> Recommendations:
        """The items of ``rising``, ids with their significance, the largest first; unknown ids are left out.

        Filters and ``exclude`` apply, and items of hidden event types are left out. The score is the significance.
        """
        profile = self._check(query)
        numbered = ((self._items.number(item), significance) for item, significance in rising)
        scores = Scores(totals={number: value for number, value in numbered if number is not None})
        rules = self._rules(query, profile)
        scores = rules.boosted(scores)

        def candidates(count: int) -> Iterator[Candidate]:
            return ((number, _TRENDING) for number in best_first(scores.totals, count))

        chosen = rules.arrange(scores, candidates, self._numbers(query.exclude) | self._hidden(query))
        return self._response(chosen, scores, rules, query.columns)

    def _scores(
        self, query: Query, profile: Profile, session: Session
    ) -> tuple[Scores, Iterator[tuple[str, Contributions]]]:
        """The scores of a query, with those of new items, and the user's segments, as ``Tables.scores``."""
        if self._catalogue is None:
            return self._tables.scores(query.user, profile, session.items, session.trained)
        known = self._catalogue.known_to_tables
        seen, trained = known(session.items), known(session.trained)
        scores, segments = self._tables.scores(query.user, profile, seen, trained)
        counting = (seen if scores.knows_user else [*seen, *trained])[: self._serving.session_length]
        weight, decay = self._serving.weights["session"], self._serving.session_decay
        return self._catalogue.scored(scores, counting, weight, decay), segments

    def _check(self, query: Query) -> Profile:
        """The typed profile, over the one that is known live.

        Raises InvalidRequest for unknown columns or values of the wrong type in the request.
        """
        for name in (*query.columns, *query.max_per):
            if name not in self._items.columns:
                known = ", ".join(sorted(self._items.columns)) or "none"
                raise InvalidRequest(f"{name[:80]!r} is not a column of this model's items: use {known}.")
        profile = typed_profile(query.profile, self._profile) if query.profile else query.profile
        if query.live is None or not query.live.profile:
            return profile
        return {**known_profile(query.live.profile, self._profile), **profile}

    def _session(self, query: Query) -> Session:
        return join_session(query.item, query.session, query.live, self._items.number)

    def _hidden(self, query: Query) -> set[int]:
        """The items of the user's events of hidden types: the live ones, and those that the release states."""
        live = query.live
        if live is None or not live.hidden:
            return set()
        histories = [live.items_by_type(self._items.number)]
        if query.user is not None:
            histories.append(dict(self._users.history(query.user)))
        return {item for history in histories for name, items in history.items() if live.hides(name) for item in items}

    def _drawn(self, query: Query) -> Drawn:
        exploration = query.live.exploration if query.live else None
        return NOTHING_DRAWN if exploration is None else exploration.draw(self._name)

    def _rules(self, query: Query, profile: Profile) -> RequestRules:
        """The rules of a request; what filters ask about it is made at the first use, once for all of them."""
        context = lru_cache(1)(lambda: request_context(self._serving, self._items, self._users, query, profile))
        return RequestRules(self._filters, self._items, query, context)

    def _numbers(self, ids: Sequence[str]) -> set[int]:
        numbers = (self._items.number(item) for item in ids)
        return {number for number in numbers if number is not None}

    def _response(
        self,
        candidates: Sequence[Candidate],
        scores: Scores,
        rules: RequestRules,
        columns: Sequence[str],
        unknown: Unknown | None = None,
    ) -> Recommendations:
        if self._catalogue is not None:
            candidates = self._catalogue.explained(candidates, scores.totals)
        reasons = explain(candidates, scores, self._tables.neighbours.slots_of, self._name)
        if rules.factors:
            reasons = [
                reason._replace(boost=factor) if reason and (factor := rules.factors.get(number)) else reason
                for (number, _), reason in zip(candidates, reasons, strict=True)
            ]
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
            tuple(rules.warnings),
            totals,
            rules.left_out,
            rules.more,
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

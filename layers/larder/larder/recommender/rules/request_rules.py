"""The rules of one request: its filters, boosts, promotions, pins, caps and pages decide which items it gets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Final

from larder.recommender.adjustments import FIRST_PAGE
from larder.recommender.new_items.exploration import NOTHING_DRAWN, Drawn
from larder.recommender.new_items.live_catalogue import NumberedItems
from larder.recommender.query import Promotion, Query
from larder.recommender.reasons import Candidate
from larder.recommender.response import Reason
from larder.recommender.rules.filtering import ItemFilters, MakeContext
from larder.recommender.rules.promotions import interleave, place_count
from larder.recommender.rules.selection import NO_CAPS, Caps, Selection
from larder.recommender.scoring import Scores, best_first

if TYPE_CHECKING:  # imported when a filter is first used
    from larder.filters import CompiledFilter, Predicate


_EXPLORED: Final = Reason("exploration")


class RequestRules:
    """The rules of one request. Not thread-safe.

    Attributes:
        warnings: Parts of the request that had no effect, and why.
        factors: The factor of each item whose score a boost changed.
        left_out: By capped column, how many better items its cap left out of the page.
        more: Whether the list goes on after the page; None if the request does not page.
    """

    def __init__(self, filters: ItemFilters, items: NumberedItems, query: Query, context: MakeContext) -> None:
        """``context`` makes what filters ask about the request."""
        self.warnings: list[str] = _warnings_of(query)
        self.factors: dict[int, float] = {}
        self.left_out: Mapping[str, int] = {}
        self.more: bool | None = None
        self._filters: Final = filters
        self._items: Final = items
        self._query: Final = query
        self._context: Final = context

    def passing(self, numbers: Sequence[int], unknown: Sequence[str]) -> Sequence[int]:
        """Those of ``numbers`` that pass the query's filter; warns of ``unknown`` items, which do not."""
        if self._query.filter is None:
            return numbers
        compiled = self._filters.requested(self._query.filter, self._query.filter_values, self._context)
        self._warn(*compiled.warnings)
        if unknown:
            self._warn(
                f"Items that the model does not know pass no filter: {len(unknown)}, such as {unknown[0]!r:.60}."
            )
        return [number for number in numbers if compiled.holds(number)]

    def boosted(self, scores: Scores) -> Scores:
        """``scores`` with the totals that the boosts make of them."""
        for boost in self._query.boosts:
            compiled = self._filters.requested(boost.filter, boost.filter_values, self._context)
            self._warn(*compiled.warnings)
            raised = [number for number in scores.totals if compiled.holds(number)]
            if not raised:
                self._warn(f"The boost by {boost.factor:g} changes no score: no scored item passes its filter.")
            for number in raised:
                self.factors[number] = self.factors.get(number, 1.0) * boost.factor
        if not self.factors:
            return scores
        changed = {number: scores.totals[number] * factor for number, factor in self.factors.items()}
        return replace(scores, totals={**scores.totals, **changed})

    def arrange(
        self,
        scores: Scores,
        candidates: Callable[[int], Iterator[Candidate]],
        excluded: set[int],
        drawn: Drawn = NOTHING_DRAWN,
    ) -> list[Candidate]:
        """The items of the requested page, in their order.

        Args:
            scores: The scores, for promotions.
            candidates: All candidates, best first; they are sorted for this number of items.
            excluded: Items that must not be chosen, except by pins; those that are chosen are added to it.
            drawn: New items, which have a share of the places that pins and promotions leave free.
        """
        query, page = self._query, self._query.page or FIRST_PAGE
        pins = self._pinned(excluded)
        caps = Caps(query.max_per, self._items.value) if query.max_per else NO_CAPS
        allowed = self._allowed(self._filters.compiled(query.filter, query.filter_values, self._context))
        source = candidates(page.first + query.n + len(excluded))
        selection = Selection(source, excluded, allowed, caps)
        first, chosen = 0, list[Candidate]()
        for size in (*page.earlier, query.n):
            places = {place: number for place, number in pins.items() if first < place <= first + size}
            promoted = self._promoted_groups(size - len(places), size, scores, excluded)
            caps.start([*places.values(), *(number for group in promoted for number, _ in group)])
            free = size - len(places) - sum(map(len, promoted))
            explored = _explored(drawn, min(drawn.places(first, size), free), excluded, allowed, caps)
            organic = selection.choose(free - len(explored))
            chosen = interleave([organic, explored, *promoted])
            for place, number in sorted(places.items()):
                chosen.insert(place - first - 1, (number, Reason("pin", place=place)))
            first += size
        self.left_out = {column: count for column, count in caps.left_out.items() if count}
        if query.page is not None:
            self.more = not selection.is_over()
            if not chosen:
                self._warn("The list has ended: there are no more items.")
        return chosen

    def _pinned(self, excluded: set[int]) -> dict[int, int]:
        """The pinned items by their places; adds them to ``excluded``, since they have places."""
        if not self._query.pins:
            return {}
        allowed = self._allowed(self._filters.compiled(None, {}, self._context))
        pins: dict[int, int] = {}
        for pin in self._query.pins:
            number, item = self._items.number(pin.item), f"{pin.item!r:.60}"
            if number is None:
                self._warn(f"The pinned item {item} is not shown: the model does not know it.")
            elif pin.item in self._query.exclude:
                self._warn(f"The pinned item {item} is not shown: the request excludes it.")
            elif allowed is not None and not allowed(number):
                self._warn(f"The pinned item {item} is not shown: a filter of the release removes it.")
            elif self._query.page is None and pin.place > self._query.n:
                self._warn(f"The pinned item {item} is not shown: its place {pin.place} is beyond n.")
            else:
                pins[pin.place] = number
                excluded.add(number)
        return pins

    def _promoted_groups(self, free: int, size: int, scores: Scores, excluded: set[int]) -> list[list[Candidate]]:
        """The items of each promotion on a page of ``size`` places, of which ``free`` are free."""
        groups: list[list[Candidate]] = []
        for promotion in self._query.promotions:
            count = min(free - sum(map(len, groups)), place_count(promotion.percent, size))
            groups.append(self._promoted(promotion, count, scores, excluded))
        return groups

    def _promoted(self, promotion: Promotion, count: int, scores: Scores, excluded: set[int]) -> list[Candidate]:
        """The promotion's items to show, best first; the release's filters and the promotion's own apply."""
        text, values = promotion.filter, promotion.filter_values
        allowed = self._allowed(self._filters.compiled(text, values, self._context))
        if text is not None:
            pool: Sequence[int] = self._filters.matching(text, values, self._context)
            scored: Iterator[int] = best_first(scores.totals, count + len(excluded))
        else:
            numbers = [self._items.number(item) for item in promotion.items]
            pool = sorted({number for number in numbers if number is not None})
            pool, scored = sorted(pool, key=lambda number: -scores.totals.get(number, 0.0)), iter(())
            if unknown := [item for item, number in zip(promotion.items, numbers, strict=True) if number is None]:
                self._warn(f"Promoted items that the model does not know: {len(unknown)}, such as {unknown[0]!r:.60}.")
        reason = Reason("promotion", promotion=promotion.name)
        return Selection(((number, reason) for number in chain(scored, pool)), excluded, allowed, NO_CAPS).choose(count)

    def _allowed(self, compiled: "CompiledFilter | None") -> "Predicate | None":
        """Whether an item passes; None if all do. Notes the warnings."""
        if compiled is None:
            return None
        self._warn(*compiled.warnings)
        return compiled.holds

    def _warn(self, *warnings: str) -> None:
        """Note each warning once."""
        self.warnings += [warning for warning in warnings if warning not in self.warnings]


def _explored(drawn: Drawn, count: int, excluded: set[int], allowed: "Predicate | None", caps: Caps) -> list[Candidate]:
    """The first ``count`` drawn items that may be shown; they are added to ``excluded`` and count for the caps."""
    chosen: list[Candidate] = []
    for number in drawn.numbers if count > 0 else ():
        if number not in excluded and (allowed is None or allowed(number)) and caps.full(number) is None:
            caps.count(number)
            excluded.add(number)
            chosen.append((number, _EXPLORED))
            if len(chosen) == count:
                break
    return chosen


def _warnings_of(query: Query) -> list[str]:
    """What the request asked for in vain, or could not be read for it."""
    if query.live is None:
        return [] if query.session_id is None else ["session_id has no effect: no live events are read here."]
    return [query.live.warning] if query.live.warning else []

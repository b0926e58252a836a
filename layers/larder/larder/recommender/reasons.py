"""The reason for each recommended item; computed for the items of a response, not for all candidates."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from larder.recommender.response import ALL_USERS, NAMED_ITEMS, Reason
from larder.recommender.scoring import Scores
from larder.tables import Row

# An item number, and its reason if it is known already: a promotion, or a popular item that fills up the response.
Candidate: TypeAlias = tuple[int, Reason | None]
# A history or session item: its number, the weight of its row, and the relevant slots of the row.
WeightedSlots: TypeAlias = tuple[int, float, Mapping[int, float]]


def segment_reason(text: str) -> Reason:
    """The reason of an item that is popular in a segment."""
    return Reason("segment", segment=text or ALL_USERS)


def explain(
    candidates: Sequence[Candidate],
    scores: Scores,
    slots_of: Callable[[Sequence[int], set[int]], Sequence[Mapping[int, float]]],
    name: Callable[[int], str],
) -> list[Reason | None]:
    """The reason for each candidate, or None for an item without a positive score.

    Args:
        candidates: The items of the response.
        scores: The scores of the request.
        slots_of: ``DenseTable.slots_of`` of the neighbours; called once, with the user's recent items, and only if some
            item's main source is the user.
        name: The id of an item.
    """
    unexplained = [number for number, reason in candidates if reason is None]
    sources = dict(zip(unexplained, scores.main_sources(unexplained), strict=True))
    by_source: dict[str | None, set[int]] = {}
    for number, source in sources.items():
        by_source.setdefault(source, set()).add(number)
    causes: dict[int, list[int]] = {}
    if by_user := by_source.get("user"):
        recent = scores.recent
        causes |= main_causes(by_user, zip(recent, [1.0] * len(recent), slots_of(recent, by_user), strict=True))
    if by_session := by_source.get("session"):
        rows = ((row.number, row.weight, matching_slots(row.row, by_session)) for row in scores.session_rows)
        causes |= main_causes(by_session, rows)
    popular = segment_reason(scores.segment_text or "")
    reasons: list[Reason | None] = []
    for number, reason in candidates:
        source = sources.get(number)
        if source is None:
            reasons.append(reason)
        elif source == "segment":
            reasons.append(popular)
        else:
            items = [number] if source == "revisit" else causes[number]
            reasons.append(Reason(source, tuple(map(name, items))))
    return reasons


def matching_slots(row: Row, numbers: set[int]) -> dict[int, float]:
    """The slots of ``row`` whose items are in ``numbers``."""
    items, scores = row
    return {number: scores[items.index(number)] for number in numbers.intersection(items)}


def main_causes(numbers: set[int], rows: Iterable[WeightedSlots]) -> dict[int, list[int]]:
    """For each item of ``numbers``, the at most three items that contribute most to its score, largest first.

    The contributions of an item with several rows are summed; equal ones are in the order of ``rows``.
    """
    contributions: dict[int, dict[int, float]] = {number: {} for number in numbers}
    for cause, weight, slots in rows:
        for number, score in slots.items():
            if (contribution := weight * score) > 0:
                by_cause = contributions[number]
                by_cause[cause] = by_cause.get(cause, 0.0) + contribution
    return {
        number: sorted(by_cause, key=by_cause.__getitem__, reverse=True)[:NAMED_ITEMS]
        if len(by_cause) > 1
        else list(by_cause)
        for number, by_cause in contributions.items()
    }

"""Why each chosen item is there. Worked out for the few items of an answer, never for all candidates."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from larder.recommender.response import ALL_USERS, NAMED_ITEMS, Reason
from larder.recommender.scoring import Evidence
from larder.tables import Row

# A chosen item, and the reason that is known already: a promotion's, or that of an item which fills up an answer.
Chosen: TypeAlias = tuple[int, Reason | None]
# What an item that somebody had says: its number, the weight of its row, and the slots of the row that matter.
Said: TypeAlias = tuple[int, float, Mapping[int, float]]


def of_segment(text: str) -> Reason:
    """The reason of what is popular in the segment with this text."""
    return Reason("segment", segment=text or ALL_USERS)


def explain(
    chosen: Sequence[Chosen],
    evidence: Evidence,
    among: Callable[[Sequence[int], set[int]], Sequence[Mapping[int, float]]],
    name: Callable[[int], str],
) -> list[Reason | None]:
    """One reason for each of ``chosen``; None where nothing speaks for it.

    ``among`` gives the slots of items' neighbour rows that name some items; it is asked once, for the user's recent
    items, and only where an item owes him its place. ``name`` gives an item's id.
    """
    unexplained = [number for number, because in chosen if because is None]
    sources = dict(zip(unexplained, evidence.main_sources(unexplained), strict=True))
    by: dict[str | None, set[int]] = {}
    for number, source in sources.items():
        by.setdefault(source, set()).add(number)
    speaking: dict[int, list[int]] = {}
    if by_user := by.get("user"):
        recent = evidence.recent
        speaking |= speakers(by_user, zip(recent, [1.0] * len(recent), among(recent, by_user), strict=True))
    if by_session := by.get("session"):
        said = ((click.number, click.weight, slots_among(click.row, by_session)) for click in evidence.clicks)
        speaking |= speakers(by_session, said)
    popular = of_segment(evidence.segment_text or "")
    explained: list[Reason | None] = []
    for number, because in chosen:
        source = sources.get(number)
        if source is None:
            explained.append(because)
        elif source == "segment":
            explained.append(popular)
        else:
            named = [number] if source == "revisit" else speaking[number]
            explained.append(Reason(source, tuple(map(name, named))))
    return explained


def slots_among(row: Row, wanted: set[int]) -> dict[int, float]:
    """The slots of ``row`` whose items are ``wanted``."""
    items, scores = row
    return {number: scores[items.index(number)] for number in wanted.intersection(items)}


def speakers(wanted: set[int], said: Iterable[Said]) -> dict[int, list[int]]:
    """For each item of ``wanted``: the items that speak for it, most first (equal ones in the order of ``said``), at
    most three. One that speaks several times speaks with the sum.
    """
    shares: dict[int, dict[int, float]] = {number: {} for number in wanted}
    for speaker, weight, slots in said:
        for number, score in slots.items():
            if (share := weight * score) > 0:
                by_speaker = shares[number]
                by_speaker[speaker] = by_speaker.get(speaker, 0.0) + share
    return {
        number: sorted(by, key=by.__getitem__, reverse=True)[:NAMED_ITEMS] if len(by) > 1 else list(by)
        for number, by in shares.items()
    }

"""Why each chosen item is there. Worked out for the few items of an answer, never for all candidates."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from larder.recommender.answer import ALL_USERS, NAMED_ITEMS, Because
from larder.recommender.scoring import Click, Evidence
from larder.tables import Row

# A chosen item, and the reason that is known already: a promotion's, or that of an item which fills up an answer.
Chosen: TypeAlias = tuple[int, Because | None]


def of_segment(text: str) -> Because:
    """The reason of what is popular in the segment with this text."""
    return Because("segment", segment=text or ALL_USERS)


def explain(
    chosen: Sequence[Chosen],
    evidence: Evidence,
    rows: Callable[[Sequence[int]], Sequence[Row]],
    name: Callable[[int], str],
) -> list[Because | None]:
    """One reason for each of ``chosen``; None where nothing speaks for it.

    ``rows`` gives the neighbour rows of item numbers, which is asked once, for the user's recent items, and only where
    an item owes him its place; ``name`` gives an item's id.
    """
    sources = [evidence.main_source(number) if because is None else None for number, because in chosen]
    by: dict[str | None, set[int]] = {source: set() for source in sources}
    for (number, _), source in zip(chosen, sources, strict=True):
        by[source].add(number)
    by_user, by_session = by.get("user", set()), by.get("session", set())
    recent = [Click(number, 1.0, row) for number, row in _with_rows(evidence.recent if by_user else (), rows)]
    speaking = speakers(by_user, recent) | speakers(by_session, evidence.clicks)
    popular = of_segment(evidence.segment_text or "")
    explained: list[Because | None] = []
    for (number, because), source in zip(chosen, sources, strict=True):
        if source is None:
            explained.append(because)
        elif source == "segment":
            explained.append(popular)
        else:
            explained.append(Because(source, items=tuple(map(name, speaking.get(number, ())))))
    return explained


def speakers(wanted: set[int] | frozenset[int], clicks: Sequence[Click]) -> dict[int, list[int]]:
    """For each item of ``wanted``: the clicked items whose rows speak for it, most first (equal ones in the order of
    ``clicks``), at most three.
    """
    shares: dict[int, dict[int, float]] = {}
    for click in clicks:
        items, scores = click.row
        for number in wanted.intersection(items):
            share = click.weight * scores[items.index(number)]
            if share > 0:
                by_click = shares.setdefault(number, {})
                by_click[click.number] = by_click.get(click.number, 0.0) + share
    return {number: sorted(by, key=lambda clicked: -by[clicked])[:NAMED_ITEMS] for number, by in shares.items()}


def _with_rows(numbers: Sequence[int], rows: Callable[[Sequence[int]], Sequence[Row]]) -> Sequence[tuple[int, Row]]:
    return list(zip(numbers, rows(numbers), strict=True)) if numbers else []

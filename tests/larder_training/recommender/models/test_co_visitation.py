"""Co-visitation against a slow loop, and the order of events that all sequence models read."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from tests.larder_training.recommender.models.test_models import toy, training_data
from tests.toys.event_log import event_log

from larder_training.numerics.sparse import Accumulator, place_within, strongest
from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.data.user_sequences import UserSequences, weigh_histories
from larder_training.recommender.models import co_visitation
from larder_training.recommender.models.co_visitation import CoVisitation, count_pairs

SETTINGS = CoVisitation(gaps=3, decay=0.7, backward=0.4, row_exponent=0.0)


def slow_pairs(log: EventLog, settings: CoVisitation) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The definition as a loop."""
    by_user = defaultdict(list)
    for place in range(len(log)):
        by_user[int(log.user[place])].append(place)
    found = np.zeros((len(log.items), len(log.items)))
    for places in by_user.values():
        for later in range(len(places)):
            for earlier in range(max(0, later - settings.gaps), later):
                a, b = places[earlier], places[later]
                if log.item[a] == log.item[b]:
                    continue
                weight = settings.decay ** (later - earlier - 1)
                weight *= settings.pair_weights.get((log.events[log.event[a]], log.events[log.event[b]]), 1.0)
                if settings.half_life_days is not None:
                    weight *= 0.5 ** ((log.end - log.time[b]) / (settings.half_life_days * DAY))
                if settings.gap_half_life_hours is not None:
                    weight *= 0.5 ** ((log.time[b] - log.time[a]) / (settings.gap_half_life_hours * 3600))
                found[log.item[a], log.item[b]] += weight
                found[log.item[b], log.item[a]] += settings.backward * weight
    return found


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        replace(SETTINGS, backward=0.0, gaps=1),
        replace(SETTINGS, half_life_days=2.0, gap_half_life_hours=0.1),
        replace(SETTINGS, pair_weights={("view", "pay"): 3.0, ("pay", "view"): 0.0}),
    ],
)
def test_pairs_are_those_of_a_loop(settings: CoVisitation, monkeypatch: pytest.MonkeyPatch) -> None:
    log = toy(users=25)
    expected = slow_pairs(log, settings)
    assert np.allclose(count_pairs(log, log.end, settings).toarray(), expected, rtol=1e-5)
    # GIVEN chunks of one or two users
    monkeypatch.setattr(co_visitation, "CHUNK", 7)
    assert np.allclose(count_pairs(log, log.end, settings).toarray(), expected, rtol=1e-5)


def test_rows_are_normalized_and_cut() -> None:
    log = toy()
    counts = slow_pairs(log, SETTINGS)
    found = replace(SETTINGS, row_exponent=1.0, width=2).fit(training_data(log)).matrix.toarray()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    assert (np.count_nonzero(found, axis=1) <= 2).all()
    assert np.allclose(found.max(axis=1), shares.max(axis=1), rtol=1e-5)
    assert np.allclose(np.sort(found, axis=1)[:, -2:], np.sort(shares, axis=1)[:, -2:], rtol=1e-5)


def test_bounded_memory_keeps_the_largest_pairs() -> None:
    # GIVEN a log where every pair occurs, and room for a few of them
    log = toy(users=200)
    whole = count_pairs(log, log.end, SETTINGS)
    few = count_pairs(log, log.end, replace(SETTINGS, width=4), pairs=13 * 8)
    # THEN fewer are kept, and the largest of each row are among them
    assert few.nnz < whole.nnz
    assert np.array_equal(few.toarray()[:12].argmax(axis=1), whole.toarray()[:12].argmax(axis=1))


def test_an_accumulator_gives_the_sum() -> None:
    random = np.random.default_rng(0)
    pieces = [sp.csr_array(random.random((9, 5)) * (random.random((9, 5)) < 0.3)) for _ in range(23)]
    sums = Accumulator(9, 5, entries=10_000, floor=5)
    for piece in pieces:
        sums.add(piece)
    assert np.allclose(sums.total().toarray(), np.stack([piece.toarray() for piece in pieces]).sum(axis=0))
    assert Accumulator(9, 5, 10, 5).total().shape == (9, 5)


def test_the_largest_entries_are_kept_and_ties_by_column() -> None:
    matrix = sp.csr_array(np.array([[1.0, 3.0, 3.0, 2.0, 3.0], [0.0, 0.0, 5.0, 0.0, 0.0]]))
    assert strongest(matrix, 2).toarray().tolist() == [[0, 3, 3, 0, 0], [0, 0, 5, 0, 0]]


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_entries_are_numbered_within_their_rows(dtype: type[np.integer]) -> None:
    assert place_within(np.array([0, 0, 2, 5, 5, 5], dtype)).tolist() == [0, 1, 0, 0, 1, 2]
    assert place_within(np.array([], dtype)).tolist() == []


def test_the_newest_event_has_the_largest_weight_and_repeats_add_up() -> None:
    log = event_log([("ann", "a", 1, "x"), ("ann", "b", 2, "x"), ("ann", "a", 3, "x"), ("bob", "c", 1, "x")])
    assert weigh_histories(log, 0.5).toarray().tolist() == [[1.25, 0.5, 0], [0, 0, 1]]
    assert weigh_histories(log, 0.5, longest=1).toarray().tolist() == [[1, 0, 0], [0, 0, 1]]


def test_chunks_have_whole_users_and_every_event_once() -> None:
    log = toy(users=40)
    histories = UserSequences.of(log)
    chunks = list(histories.chunks(10))
    assert len(chunks) > 5
    assert [place for chunk in chunks for place in histories.order[chunk]] == histories.order.tolist()
    users = [set(log.user[histories.order[chunk]]) for chunk in chunks]
    assert sum(map(len, users)) == len(set().union(*users))

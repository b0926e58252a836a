"""Markov chains compared with counts by hand, the hidden Markov model with sums over all paths."""

from itertools import pairwise, product

import numpy as np
import pytest
from next_item_models.hidden_markov import HMM, HiddenMarkov, Pieces, begin, cluster, improve
from next_item_models.markov import Markov, SecondOrderMarkov
from tests.larder_training.recommender.models.test_models import toy, training_data
from tests.toys.event_log import event_log

from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.user_sequences import UserSequences
from larder_training.recommender.models.co_visitation import CoVisitation, count_pairs


def walks(*texts: str) -> EventLog:
    """Each text is a user, each letter an item."""
    return event_log([(f"u{n}", item, t, "x") for n, text in enumerate(texts) for t, item in enumerate(text)])


def test_first_order_shares_are_discounted_counts() -> None:
    # GIVEN a -> b three times, a -> c once, b -> c twice, c -> d once; n1 = 2, n2 = 1, so D = 1/2
    log = walks("ab", "ab", "abc", "ac", "bcd")
    table = Markov().fit(training_data(log)).matrix.toarray()
    assert np.allclose(table[0], [0, 2.5 / 4, 0.5 / 4, 0])
    assert np.allclose(table[1], [0, 0, 1.5 / 2, 0])
    assert np.allclose(table[2], [0, 0, 0, 0.5])


def test_immediate_repeats_are_one_event() -> None:
    assert np.array_equal(
        Markov().fit(training_data(walks("abc", "ab"))).matrix.toarray(),
        Markov().fit(training_data(walks("aabbbc", "abb"))).matrix.toarray(),
    )


def test_second_order_backs_off_as_computed_by_hand() -> None:
    # GIVEN the chain of the first test, and ab -> c, bc -> d each once (D of order 2 is 1/2: no pair occurs twice)
    log = walks("ab", "ab", "abc", "ac", "bcd")
    chain = SecondOrderMarkov().fit(training_data(log))
    popularity = np.array([0, 1, 2, 1]) / 4  # distinct predecessors
    after_b = np.array([0, 0, 1.5 / 2, 0]) + 0.5 / 2 * popularity
    after_ab = np.array([0, 0, 0.5, 0]) + 0.5 * after_b
    scores = chain.after(np.array([[0, 1], [3, 1], [-1, 1], [-1, -1]]))
    assert np.allclose(scores, [after_ab, after_b, after_b, popularity])
    assert np.allclose(chain.after(np.array([[1, 2], [2, 3]])).sum(axis=1), 1)
    assert np.allclose(chain.scores(np.array([2]))[0], chain.after(np.array([[1, 2]]))[0])


def forward_by_paths(model: HMM, items: list[int]) -> float:
    """P(items): the sum over all paths of states."""
    total = 0.0
    for path in product(range(len(model.first)), repeat=len(items)):
        share = model.first[path[0]] * model.emits[path[0], items[0]]
        for t in range(1, len(items)):
            share *= model.moves[path[t - 1], path[t]] * model.emits[path[t], items[t]]
        total += share
    return float(total)


def some_model(states: int, items: int) -> HMM:
    random = np.random.default_rng(4)
    weights = [random.random(shape) for shape in ((1, states), (states, states), (states, items), (items, states))]
    first, moves, emits, share = (rows / rows.sum(axis=1, keepdims=True) for rows in weights)
    return HMM(first[0], moves, emits, share)


def test_the_likelihood_is_the_sum_over_all_paths_of_states() -> None:
    texts = [[0, 1, 2, 3], [2, 2], [1], [3, 0, 1]]
    pieces = Pieces.of(np.concatenate(texts), np.cumsum([0] + [len(text) for text in texts]), longest=10)
    model = some_model(3, 4)
    assert improve(model, pieces)[1] == pytest.approx(sum(np.log(forward_by_paths(model, text)) for text in texts))


def test_a_round_equals_expected_counts_over_all_paths() -> None:
    items, model = [0, 1, 1, 2], some_model(2, 3)
    moves, emits, first = np.zeros((2, 2)), np.zeros((2, 3)), np.zeros(2)
    for path in product(range(2), repeat=4):
        share = model.first[path[0]] * np.prod([model.emits[s, j] for s, j in zip(path, items, strict=True)])
        share *= np.prod([model.moves[a, b] for a, b in pairwise(path)])
        first[path[0]] += share
        for a, b in pairwise(path):
            moves[a, b] += share
        for state, item in zip(path, items, strict=True):
            emits[state, item] += share
    improved, _ = improve(model, Pieces.of(np.array(items), np.array([0, 4]), longest=10))
    assert np.allclose(improved.first, first / first.sum())
    assert np.allclose(improved.moves, moves / moves.sum(axis=1, keepdims=True))
    assert np.allclose(improved.emits, emits / emits.sum(axis=1, keepdims=True))
    assert np.allclose(improved.share, (emits / emits.sum(axis=0)).T)


def test_the_likelihood_never_decreases() -> None:
    log = toy(users=50)
    histories = UserSequences.of(log)
    pieces = Pieces.of(log.item[histories.order], histories.starts, longest=5)
    model = begin(pieces, cluster(count_pairs(log, log.end, CoVisitation()), 3, seed=1), 3, len(log.items))
    likelihoods = []
    for _ in range(15):
        model, likelihood = improve(model, pieces)
        likelihoods.append(likelihood)
    assert (np.diff(likelihoods) >= -1e-9).all()
    assert likelihoods[-1] > likelihoods[0] + 1


def test_the_served_table_has_the_next_items_of_an_item_s_state() -> None:
    model = some_model(3, 5)
    expected = model.share @ model.moves @ model.emits
    np.fill_diagonal(expected, 0)
    assert np.allclose(model.table(5).toarray(), expected)
    assert (np.diff(model.table(2).indptr) == 2).all()


def test_states_separate_the_two_tastes_of_the_toy_log() -> None:
    log = toy(users=60)
    table = HiddenMarkov(states=4).fit(training_data(log)).matrix.toarray()[:12, :12]
    within = table[:6, :6].sum() + table[6:, 6:].sum()
    assert within > 0.8 * table.sum()


def test_pieces_cut_long_sequences_and_keep_all_events() -> None:
    pieces = Pieces.of(np.arange(11), np.array([0, 7, 7, 8, 11]), longest=3)
    assert pieces.length.tolist() == [3, 3, 3, 1, 1]
    covered = [
        t for start, length in zip(pieces.start, pieces.length, strict=True) for t in range(start, start + length)
    ]
    assert sorted(covered) == list(range(11))

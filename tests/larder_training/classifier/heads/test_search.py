import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import log_softmax

from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.config.options import ClassifierOptions, SearchLimits
from larder_training.classifier.heads import mlp, search
from larder_training.classifier.heads.config import HeadConfig, ParentHead, row_weights
from larder_training.classifier.heads.head import Head, fit_head
from larder_training.classifier.heads.mlp import MLP, MLPConfig, WeightedRows, fit_mlp, initial_mlp
from larder_training.classifier.heads.scaler import Scaler
from larder_training.classifier.heads.softmax_regression import SoftmaxRegression, fit_softmax_regression, zero_head
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.heads.trials import HeadSearch, HeadTrial, trials_section
from larder_training.numerics.arrays import Floats
from larder_training.reporting.progress import Progress

QUIET = Progress(quiet=True)
Labels = NDArray[np.int64]


def clouds(counts: Sequence[int], dimensions: int = 8, spread: float = 1.0) -> tuple[Floats, Labels]:
    random = np.random.default_rng(0)
    labels = random.permutation(np.repeat(np.arange(len(counts)), counts))
    centres = random.normal(0, 1, (len(counts), dimensions))
    return (centres[labels] + random.normal(0, spread, (len(labels), dimensions))).astype(np.float32), labels


def rings(rows: int) -> tuple[Floats, Labels]:
    """A disc inside a ring, which no straight line separates."""
    random = np.random.default_rng(0)
    labels = np.arange(rows) % 2
    angle, radius = random.uniform(0, 2 * np.pi, rows), 1 + 2 * labels + random.normal(0, 0.3, rows)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32), labels


def searched(features: Floats, labels: Labels, limits: SearchLimits, parent: ParentHead | None = None) -> Head:
    rows = len(labels)
    options = ClassifierOptions("images", "test", folds=4, search=limits)
    training_rows = TrainingRows(features, labels, np.arange(rows), np.zeros(rows, np.bool_))
    return fit_head(training_rows, ClassifierContext(options), parent=parent)


def trial(number: int, config: HeadConfig, *losses: float) -> HeadTrial:
    return HeadTrial(number, config, float(np.mean(losses)), 0.0, 1.0, losses, 1.0)


def elastic_loss(features: Floats, labels: Labels, fitted: SoftmaxRegression, l2: float, l1: float) -> float:
    likelihood = log_softmax(fitted.logits(features), axis=1)[np.arange(len(labels)), labels]
    return float(-likelihood.mean() + l2 / 2 * (fitted.weights**2).sum() + l1 * np.abs(fitted.weights).sum())


@pytest.mark.parametrize(("l2", "l1"), [(0.0, 0.02), (0.05, 0.01), (0.1, 0.0)])
def test_a_linear_head_satisfies_the_conditions_of_the_minimum(l2: float, l1: float) -> None:
    """The subgradient has 0: the gradient is -l2 W - l1 sign(W) where W is not 0, and within l1 where it is."""
    features, labels = clouds((40, 40, 40))
    ones = np.ones(120, np.float32)
    fitted = fit_softmax_regression(features, labels, ones, l2=l2, l1=l1, centre=zero_head(8, 3))
    error = np.exp(log_softmax(fitted.logits(features), axis=1))
    error[np.arange(120), labels] -= 1
    slope = features.T @ error / 120 + l2 * fitted.weights
    moved = np.abs(fitted.weights) > 1e-6
    np.testing.assert_allclose(slope[moved], -l1 * np.sign(fitted.weights[moved]), atol=2e-3)
    assert (np.abs(slope[~moved]) <= l1 + 2e-3).all()
    np.testing.assert_allclose(error.sum(axis=0) / 120, 0, atol=2e-3)
    assert (not moved.all()) == (l1 > 0)


def test_regularisation_is_towards_the_centre() -> None:
    features, labels = clouds((40, 40, 40))
    ones = np.ones(120, np.float32)
    centre = SoftmaxRegression(np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32), np.zeros(3, np.float32))
    near = fit_softmax_regression(features, labels, ones, l2=100.0, l1=0.0, centre=centre)
    np.testing.assert_allclose(near.weights, centre.weights, atol=0.02)
    far = fit_softmax_regression(features, labels, ones, l2=0.01, l1=0.0, centre=centre)
    assert np.abs(far.weights - centre.weights).max() > 0.5


def test_balanced_row_weights_give_each_class_the_same_total() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [2])
    weights = row_weights(labels, 4, "balanced")
    assert weights.mean() == pytest.approx(1)
    assert [weights[labels == label].sum() for label in range(3)] == pytest.approx([10 / 3] * 3)


def test_class_weights_are_tried_and_win_with_a_rare_class() -> None:
    features, labels = clouds((300, 300, 12), spread=1.5)
    result = searched(features, labels, SearchLimits(hidden=False)).search
    assert result.balanced
    assert result.best.config.weighting == "balanced"
    even = searched(*clouds((40, 40, 40)), SearchLimits(hidden=False)).search
    assert not even.balanced
    assert {trial.config.weighting for trial in even.trials} == {"none"}
    none = searched(features, labels, SearchLimits(hidden=False, class_weights="none")).search
    assert {trial.config.weighting for trial in none.trials} == {"none"}


def test_the_gradients_of_an_mlp_match_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlp, "FEATURE_DROPOUT", 0.0)
    features, labels = clouds((10, 10, 10))
    weights = np.linspace(0.5, 1.5, 30).astype(np.float32)
    random = np.random.default_rng(2)
    start = initial_mlp(8, 3, 5, seed=0)
    network = replace(start, weights=random.normal(size=(5, 3)).astype(np.float32))
    optimiser = mlp._MLPOptimiser(MLPConfig(5, "adam", 0.001, 0.0, 0.0, 0), network, pulled=False)
    gradients = optimiser._gradients(features, labels, weights, random)
    rows = WeightedRows(features.astype(np.float64).astype(np.float32), labels, weights)
    for position, gradient in enumerate(gradients):
        for spot in [tuple(random.integers(0, size) for size in gradient.shape) for _ in range(4)]:
            losses = []
            for change in (-1e-2, 1e-2):
                values = [value.astype(np.float64) for value in network.parameters]
                values[position][spot] += change
                losses.append(rows.loss(MLP(*values)) * weights.mean())  # type: ignore[arg-type]  # finer floats
            assert gradient[spot] == pytest.approx((losses[1] - losses[0]) / 2e-2, abs=2e-3)


@pytest.mark.parametrize("config", search.HIDDEN)
def test_the_search_chooses_a_hidden_layer_for_classes_that_no_line_separates(
    config: HeadConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlp, "FEATURE_DROPOUT", 0.0)
    monkeypatch.setattr(search, "HIDDEN", (replace(config, rate=10 * config.rate),))
    features, labels = rings(400)
    head = searched(features, labels, SearchLimits())
    assert head.hidden is not None
    assert head.search.chosen.config.units == config.units
    assert head.search.chosen.epochs >= 1
    assert (head.logits(features).argmax(axis=1) == labels).mean() > 0.95
    linear = searched(features, labels, SearchLimits(hidden=False))
    assert linear.hidden is None
    assert (linear.logits(features).argmax(axis=1) == labels).mean() < 0.8


def test_early_stopping_returns_the_network_of_the_lowest_loss() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(size=(60, 20)).astype(np.float32)
    labels, ones = np.arange(60) % 2, np.ones(60, np.float32)
    validation = WeightedRows(random.normal(size=(60, 20)).astype(np.float32), labels, ones)
    network, epochs = fit_mlp(
        WeightedRows(noise, labels, ones),
        2,
        MLPConfig(32, "adam", 0.01, 0.0, 0.0, 0),
        epochs=40,
        parent=None,
        validation=validation,
    )
    again, _ = fit_mlp(
        WeightedRows(noise, labels, ones), 2, MLPConfig(32, "adam", 0.01, 0.0, 0.0, 0), epochs=epochs, parent=None
    )
    assert epochs < 20
    np.testing.assert_array_equal(network.weights, again.weights)


def test_the_same_search_gives_the_same_bits() -> None:
    features, labels = clouds((30, 30, 30))
    first, second = (searched(features, labels, SearchLimits()) for _ in range(2))
    assert first.search == second.search
    np.testing.assert_array_equal(first.weights, second.weights)


def test_a_search_that_is_stopped_is_a_prefix_of_the_whole_search() -> None:
    features, labels = clouds((30, 30, 30))
    whole = searched(features, labels, SearchLimits()).search
    assert len(whole.trials) > 8
    assert searched(features, labels, SearchLimits(5)).search.trials == whole.trials[:5]
    hurried = searched(features, labels, SearchLimits(minutes=1e-9)).search
    assert hurried.out_of_time
    assert hurried.trials == whole.trials[:1]


def test_a_class_with_few_groups_rules_out_hidden_layers() -> None:
    features, labels = clouds((30, 30, 4))
    result = searched(features, labels, SearchLimits()).search
    assert {trial.config.units for trial in result.trials} == {0}


def test_the_simplest_within_one_standard_error_of_the_best_wins() -> None:
    strong, weak, wide = HeadConfig(l2=1.0), HeadConfig(l2=0.01), HeadConfig(l2=0.01, units=128, optimiser="adam")
    # The folds differ a lot and the heads hardly: the paired difference counts.
    best = trial(3, wide, 0.1, 0.3, 0.5)
    equal = trial(2, weak, 0.11, 0.29, 0.51)
    worse = trial(1, strong, 0.12, 0.33, 0.52)
    assert HeadSearch((worse, equal, best), 3).chosen is equal
    assert HeadSearch((worse, best), 3).chosen is best
    # No strength is simpler than another: the lower loss decides.
    assert HeadSearch((trial(1, strong, 0.105, 0.29, 0.51), equal, best), 3).chosen.config is strong
    assert HeadSearch((trial(1, strong, 0.115, 0.29, 0.51), equal, best), 3).chosen is equal
    assert "simplest head within one standard error" in HeadSearch((equal, best), 3).explain()


def test_configurations_are_ordered_by_complexity() -> None:
    ordered = [
        HeadConfig(l2=0.1),
        HeadConfig(l2=0.1, weighting="balanced"),
        HeadConfig(l1=0.1),
        HeadConfig(l2=0.1, l1=0.1),
        HeadConfig(l2=1.0, units=64),
        HeadConfig(l2=1.0, units=128),
    ]
    assert sorted(ordered, key=lambda config: config.complexity) == ordered


def test_trials_are_listed_line_by_line_and_in_the_report() -> None:
    features, labels = clouds((30, 30, 30))
    result = searched(features, labels, SearchLimits(6)).search
    lines = [json.loads(line) for line in result.jsonl().splitlines()]
    assert [line["trial"] for line in lines] == list(range(1, 7))
    assert sum(line["chosen"] for line in lines) == 1
    assert all(len(line["fold_losses"]) == 4 for line in lines)
    section = trials_section(result)
    assert section.title == "Trials"
    assert any("<svg" in block for block in section.blocks)
    assert any("(chosen)" in block for block in section.blocks)


def test_the_manifest_lists_a_bounded_number_of_trials() -> None:
    many = tuple(trial(number, HeadConfig(l2=1 / number), 1 / number, 1 / number) for number in range(1, 200))
    description = HeadSearch(many, 2).describe()
    assert description["number"] == 199
    assert isinstance(description["trials"], list)
    assert len(description["trials"]) <= 41


def test_a_parents_head_improves_a_training_with_few_rows() -> None:
    features, labels = clouds((100, 100, 100), dimensions=30, spread=2.0)
    parent = searched(features, labels, SearchLimits(hidden=False))
    parent_head = ParentHead(SoftmaxRegression(parent.weights, parent.bias), parent.search.chosen.config)
    few = np.concatenate([np.flatnonzero(labels == label)[:5] for label in range(3)])
    child = searched(features[few], labels[few], SearchLimits(hidden=False), parent_head)
    assert child.search.chosen.config.customised
    alone = searched(features[few], labels[few], SearchLimits(hidden=False))

    def accuracy(head: Head) -> float:
        return float((head.logits(features).argmax(axis=1) == labels).mean())

    assert accuracy(child) > accuracy(alone)


def test_fold_in_and_unfold_are_inverse() -> None:
    features, _ = clouds((30, 30, 30))
    scaler = Scaler.fit(features * 7 + 3)
    weights, bias = np.ones((8, 3), np.float32), np.arange(3, dtype=np.float32)
    plain = scaler.fold_in(weights, bias)
    np.testing.assert_allclose(
        (features * 7 + 3) @ plain[0] + plain[1], scaler.transform(features * 7 + 3) @ weights + bias, atol=1e-3
    )
    for result, expected in zip(scaler.unfold(*plain), (weights, bias), strict=True):
        np.testing.assert_allclose(result, expected, atol=1e-4)

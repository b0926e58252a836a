"""Training on rows that do not fit into memory gives the results of training in memory."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.config.options import ClassifierOptions, SearchLimits
from larder_training.classifier.fitting import final_fit
from larder_training.classifier.heads import mlp, search
from larder_training.classifier.heads.head import Head, fit_head
from larder_training.classifier.heads.mlp import MLPConfig, WeightedRows, fit_mlp
from larder_training.classifier.heads.scaler import Scaler, StreamedFeatures, standardise
from larder_training.classifier.heads.softmax_regression import fit_softmax_regression, zero_head
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.train import train
from larder_training.numerics import memmap
from larder_training.numerics.arrays import Floats
from larder_training.numerics.memmap import allocate, gather_rows, release_pages
from larder_training.reporting.progress import Progress

QUIET = Progress(quiet=True)
Labels = NDArray[np.int64]


def clouds(count: int, classes: int = 3, dimensions: int = 12, spread: float = 2.0) -> tuple[Floats, Labels]:
    random = np.random.default_rng(0)
    labels = np.sort(np.arange(count) % classes)  # in the order of class folders: one class after the other
    centres = random.normal(0, 1, (classes, dimensions))
    features = (centres[labels] + random.normal(0, spread, (count, dimensions))) * np.geomspace(0.1, 10, dimensions)
    return features.astype(np.float32), labels


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memmap, "MAX_IN_MEMORY", 1000)
    monkeypatch.setattr(memmap, "CHUNK_ROWS", 64)


def resident_kib(name: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0])


def test_released_pages_stay_in_the_file_and_can_be_read_again() -> None:
    mapped = allocate(40_000, 1000)  # 156,250 KiB
    before = resident_kib("RssFile")  # of programs and of earlier tests
    mapped[:] = 7
    full = resident_kib("RssFile")
    assert full - before > 120_000
    release_pages(mapped)
    assert full - resident_kib("RssFile") > 120_000
    assert (mapped[::1000] == 7).all()


@pytest.mark.usefixtures("small_memory")
def test_gathered_rows_equal_indexed_rows() -> None:
    features, _ = clouds(500)
    wanted = np.flatnonzero(np.arange(500) % 3)
    np.testing.assert_array_equal(gather_rows(features, wanted), features[wanted])
    assert memmap._mapping(gather_rows(features, wanted)) is not None


@pytest.mark.usefixtures("small_memory")
def test_rows_are_standardised_as_they_are_read() -> None:
    features, _ = clouds(500)
    scaler = Scaler.fit(features)
    whole, streamed = scaler.transform(features), standardise(features, scaler)
    assert isinstance(streamed, StreamedFeatures)
    np.testing.assert_array_equal(streamed[:], whole)
    np.testing.assert_array_equal(streamed[100:130], whole[100:130])
    numbers = np.random.default_rng(0).permutation(500)[:200]
    np.testing.assert_array_equal(streamed[numbers], whole[numbers])


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize(("l2", "l1"), [(0.1, 0.0), (0.0, 0.01), (0.01, 0.003)])
def test_a_streamed_linear_fit_equals_the_fit_in_memory(l2: float, l1: float) -> None:
    features, labels = clouds(700)
    scaler = Scaler.fit(features)
    weights = np.where(labels == 0, 2, 0.5).astype(np.float32)
    streamed = StreamedFeatures(features, scaler)
    first, second, whole = (
        fit_softmax_regression(taken, labels, weights / weights.mean(), l2=l2, l1=l1, centre=zero_head(12, 3))
        for taken in (streamed, streamed, scaler.transform(features))
    )
    rows_in_memory = scaler.transform(features)
    np.testing.assert_allclose(
        softmax(first.logits(rows_in_memory), axis=1), softmax(whole.logits(rows_in_memory), axis=1), atol=2e-3
    )
    np.testing.assert_array_equal(first.weights, second.weights)  # the order of the cores has no effect


@pytest.mark.usefixtures("small_memory")
def test_every_row_is_in_one_batch_and_neighbours_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlp, "POOL", 4 * mlp.BATCH)
    count = 1003
    features, labels = np.arange(count, dtype=np.float32)[:, None], np.arange(count) * 3 // count
    streamed = StreamedFeatures(features, Scaler(np.zeros(1, np.float32), np.ones(1, np.float32)))
    rows = WeightedRows(streamed, labels, np.ones(count, np.float32))
    batches = list(mlp._batches(rows, np.random.default_rng(0)))
    positions = [batch.features[:].ravel().astype(np.int64) for batch in batches]
    assert sorted(np.concatenate(positions)) == list(range(count))
    for batch, numbers in zip(batches, positions, strict=True):
        np.testing.assert_array_equal(batch.labels, labels[numbers])
        assert len(numbers) < 100 or set(batch.labels) == {0, 1, 2}


@pytest.mark.usefixtures("small_memory")
def test_a_hidden_layer_is_as_accurate_on_streamed_rows() -> None:
    features, labels = clouds(2000)
    scaler = Scaler.fit(features)
    config = MLPConfig(32, "adam", 0.003, 0.1, 0.0, 0)
    ones, plain = np.ones(len(labels), np.float32), scaler.transform(features)
    accuracy = []
    for rows in (plain, StreamedFeatures(features, scaler)):
        network, _ = fit_mlp(WeightedRows(rows, labels, ones), 3, config, epochs=10, parent=None)
        accuracy.append((network.logits(plain).argmax(axis=1) == labels).mean())
    assert accuracy[1] == pytest.approx(accuracy[0], abs=0.01)


def test_a_streamed_training_gives_the_head_of_one_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = clouds(900)
    augmented = np.tile([False, True], 450)

    def head() -> Head:
        options = ClassifierOptions("images", "test", folds=4, search=SearchLimits(3, hidden=False))
        return fit_head(TrainingRows(features, labels, np.arange(900) // 2, augmented), ClassifierContext(options))

    whole = head()
    monkeypatch.setattr(memmap, "MAX_IN_MEMORY", 1000)
    monkeypatch.setattr(memmap, "CHUNK_ROWS", 64)
    streamed = head()
    assert [trial.config for trial in streamed.search.trials] == [trial.config for trial in whole.search.trials]
    np.testing.assert_allclose(
        softmax(streamed.logits(features), axis=1), softmax(whole.logits(features), axis=1), atol=2e-3
    )
    np.testing.assert_allclose(streamed.ood_detector.score(features), whole.ood_detector.score(features), atol=1e-4)
    np.testing.assert_array_equal(streamed.weights, head().weights)


def test_a_whole_streamed_training_equals_one_in_memory(
    options: ClassifierOptions, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_ROWS", 60)  # of 126: the search uses a sample, and the head is fitted on all rows
    monkeypatch.setattr(final_fit, "MAX_ROWS", 60)
    few = SearchLimits(trials=2, hidden=False)
    changed = replace(options, model="small", backbone=str(backbone), dtype="float32", search=few)

    def trained(name: str) -> tuple[Path, dict[str, Any]]:
        release = train(replace(changed, out=tmp_path / name))
        return release, json.loads((release / "manifest.json").read_bytes())["evaluation"]

    _, whole = trained("whole")
    monkeypatch.setattr(memmap, "MAX_IN_MEMORY", 1000)
    monkeypatch.setattr(memmap, "CHUNK_ROWS", 16)
    (first, streamed), (second, _) = trained("first"), trained("second")
    assert first.name == second.name
    for part in ("validation", "test"):
        assert streamed[part]["accuracy"] == whole[part]["accuracy"]
        assert streamed[part]["cross_entropy"] == pytest.approx(whole[part]["cross_entropy"], abs=1e-3)

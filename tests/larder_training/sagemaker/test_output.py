"""What the serving layer reads from a training's lines is what the training wrote."""

import logging
from dataclasses import replace

import pytest

from larder.jobs.job import JobProgress
from larder.jobs.output import read_metric, read_progress
from larder.jobs.sagemaker.metrics import metric_definitions
from larder.release.manifest import Manifest
from larder_training.reporting import progress as progress_of_training
from larder_training.reporting.progress import Progress, duration
from larder_training.sagemaker.metrics import metric_lines


def test_progress_is_read_as_it_was_written(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_of_training, "_LINE_EVERY", 0.0)
    caplog.set_level(logging.INFO, "larder")
    with Progress().task("Fitting on all images, and without each fold", 1200) as advance:
        advance(300, "best accuracy 0.9750, of 12/80", seconds_left=0.5)
        advance(900)
    first, last = (read_progress(record.message) for record in caplog.records)
    assert first == JobProgress("Fitting on all images, and without each fold", 300, 1200, 1.0)
    assert last == JobProgress("Fitting on all images, and without each fold", 1200, 1200, None)


@pytest.mark.parametrize("seconds", [1, 40, 89, 180, 5340, 7500])
def test_a_duration_is_read_as_it_was_written(seconds: float) -> None:
    assert read_progress(f"Search 1/2, {duration(seconds)} left") == JobProgress("Search", 1, 2, seconds)


@pytest.mark.parametrize(
    "line", ["", "Warning: 3 images", "and/or", "1/2", "Search 3/2", "Search 1/2 rows", "Failed: x 1/2: see y", "a/b 3"]
)
def test_another_line_is_no_progress(line: str) -> None:
    assert read_progress(line) is None


def test_metrics_are_read_as_they_were_written(classifier_manifest: Manifest) -> None:
    evaluation = {"test": {"accuracy": {"mean": 0.975}, "macro_f1": 0.5}}
    manifest = replace(classifier_manifest, evaluation=evaluation)
    found = dict(filter(None, map(read_metric, metric_lines(manifest))))
    assert found == {"test:accuracy": 0.975, "test:macro_f1": 0.5}
    assert set(found) <= {definition["Name"] for definition in metric_definitions("classifier")}
    assert read_metric("test:accuracy=0.97") is None

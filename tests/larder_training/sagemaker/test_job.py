"""The program of the training container, run as a process on the folder of a job."""

import json
import re
import signal
import tarfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.larder_training.sagemaker.conftest import CLASSIFIER, RECOMMENDER, Ended, MakeJob, run, start

from larder.jobs.sagemaker.metrics import metric_definitions
from larder.release.keys import MANIFEST
from larder_training import Release
from larder_training.sagemaker.job_folder import JobFolder


@pytest.mark.slow
def test_a_job_leaves_a_release_and_its_metrics(classifier_job: Ended, recommender_job: Ended, tmp_path: Path) -> None:
    for layout, status, log in (classifier_job, recommender_job):
        assert status == 0, log
        release = Release(layout.model)
        assert sorted(path.name for path in layout.model.iterdir()) == sorted((*release.manifest.files, MANIFEST))
        assert release.publish(tmp_path / "store").state == "promoted"
        assert not layout.failure.exists()
        assert str(release.manifest.training["command"]).startswith(f"larder retrain {release.manifest.model} --set ")
        metrics = {entry["Name"]: re.findall(entry["Regex"], log) for entry in metric_definitions(release.kind)}
        if release.kind == "classifier":
            name, value = "test:accuracy", release.metrics["test"]["accuracy"]
        else:
            name, value = "test:recall@20", release.metrics["metrics"]["recall@20"]["mean"]
        assert [float(number) for number in metrics[name]] == pytest.approx([value], abs=1e-6)


@pytest.mark.slow
def test_parts_of_the_split_are_channels(make_job: MakeJob, images: Path, new_images: Path) -> None:
    layout = make_job(CLASSIFIER, training=images, test=new_images)
    status, log = run(layout)
    assert status == 0, log
    assert Release(layout.model).metrics["test"]["photos"] == 36


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classifier", "recommender"])
def test_a_job_that_sigterm_stops_goes_on_to_the_same_bytes(
    kind: str, make_job: MakeJob, images: Path, shop_channels: Mapping[str, Path], request: pytest.FixtureRequest
) -> None:
    # GIVEN a job that was not interrupted
    whole: Ended = request.getfixturevalue(f"{kind}_job")
    # WHEN the same job is stopped as soon as it has a checkpoint
    data: Mapping[str, Path] = {"train": images} if kind == "classifier" else shop_channels
    layout = make_job(CLASSIFIER if kind == "classifier" else RECOMMENDER, **data)
    process = start(layout, "train")
    wait_until(lambda: has_checkpoint(layout))
    process.send_signal(signal.SIGTERM)
    log, _ = process.communicate(timeout=120)
    # THEN it ends with the status of the signal, without a release or a reason of a failure
    assert process.returncode == 143, log
    assert "Stopped by SIGTERM" in log
    assert not [*layout.model.glob("*")]
    assert not layout.failure.exists()
    # AND when it starts again THEN it goes on, and makes the same files; reports have times
    started = json.loads((layout.checkpoints / "job.json").read_text())["started"]
    status, log = run(layout)
    assert status == 0, log
    assert f"Going on from the checkpoints of this job, which started at {started}" in log
    assert files(layout) == files(whole.layout)
    assert Release(layout.model).manifest.created == started.replace("+00:00", "Z")


def has_checkpoint(layout: JobFolder) -> bool:
    """Whether a row of features or a trial was kept."""
    found = (*layout.checkpoints.glob("features/*/*.keys"), *layout.checkpoints.glob("search/*/trials.jsonl"))
    return any(path.stat().st_size for path in found)


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def files(layout: JobFolder) -> dict[str, str]:
    entries = Release(layout.model).manifest.files.items()
    return {name: entry.sha256 for name, entry in entries if name != "report.html"}


@pytest.mark.slow
def test_a_job_starts_from_an_earlier_release_in_its_archive(
    classifier_job: Ended, make_job: MakeJob, images: Path, tmp_path: Path
) -> None:
    # GIVEN the model.tar.gz that SageMaker makes of a job's output
    (tmp_path / "output").mkdir()
    pack(classifier_job.layout.model, tmp_path / "output/model.tar.gz")
    # WHEN another job has it as its channel model
    own = {name: value for name, value in CLASSIFIER.items() if name != "backbone"}
    layout = make_job(own, train=images, model=tmp_path / "output")
    status, log = run(layout)
    # THEN
    assert status == 0, log
    parent = Release(layout.model).manifest.training["parent"]
    assert isinstance(parent, dict)
    assert parent["release"] == Release(classifier_job.layout.model).manifest.release


def pack(folder: Path, archive: Path) -> None:
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)


@pytest.mark.parametrize(
    ("hyperparameters", "word", "reason"),
    [
        (
            {**CLASSIFIER, "trials": "0"},
            "train",
            "Hyperparameter 'trials' is '0': give a whole number from 1 to 1000.",
        ),
        (CLASSIFIER, "train", "A classifier reads the channel 'train', or 'training': there is none of them."),
        (CLASSIFIER, "sell", "'sell' is not a program of this image: give train."),
    ],
)
def test_a_job_that_cannot_run_states_why(
    hyperparameters: Mapping[str, str], word: str, reason: str, make_job: MakeJob
) -> None:
    layout = make_job(hyperparameters)
    status, log = run(layout, word)
    assert (status, layout.failure.read_text()) == (1, reason)
    assert f"Failed: {reason}" in log


def test_data_that_cannot_be_used_is_a_failure_with_what_to_do(make_job: MakeJob, tmp_path: Path) -> None:
    (tmp_path / "channel/cats").mkdir(parents=True)
    layout = make_job(CLASSIFIER, train=tmp_path / "channel")
    assert run(layout)[0] == 1
    assert "Give a folder with one sub-folder per class" in layout.failure.read_text()
    assert not [*layout.model.glob("*")]

"""``larder retrain``: a model is trained again as its live release was, and published."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.toys.images import fill_classes

from larder.registry import Registry
from larder.store import open_store

QUICK = ("--backbone", "none", "--trials", "1", "--augment", "none", "--flip", "no")


def larder(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603  our own command
        [sys.executable, "-m", "larder_local", *arguments],
        cwd=home,
        env={name: value for name, value in os.environ.items() if name not in ("LARDER_STORE", "LARDER_COMMAND")},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.mark.slow
def test_a_model_is_trained_again_on_its_data_and_goes_live(tmp_path: Path) -> None:
    # GIVEN a live release
    images = fill_classes(tmp_path / "images", 15)
    trained = larder(tmp_path, "train", "classifier", str(images), "--model", "patterns", *QUICK)
    assert trained.returncode == 0, trained.stderr
    assert larder(tmp_path, "publish", "patterns").returncode == 0
    registry = Registry(open_store((tmp_path / ".larder/store").as_uri()))
    first = live(registry)
    # WHEN its data have grown and it is trained again, and again with another hyperparameter
    fill_classes(images, 5, start=100)
    for arguments, trials in (((), 1), (("--set", "trials=2"), 2)):
        done = larder(tmp_path, "retrain", "patterns", *arguments)
        # THEN a new release is live, with the stated hyperparameters
        assert done.returncode == 0, done.stdout + done.stderr
        release = live(registry)
        assert release != first
        manifest = registry.manifest("patterns", release)
        search, data = manifest.training["search"], manifest.training["data"]
        assert isinstance(search, dict)
        assert isinstance(data, dict)
        assert (search["most_trials"], data["photos"]) == (trials, 60)
        first = release
    # AND a failure leaves it live, with the reason
    failed = larder(tmp_path, "retrain", "patterns", "--set", "trials=0")
    assert (failed.returncode, live(registry)) == (1, first)
    assert "Hyperparameter 'trials' is '0': give a whole number from 1 to 1000." in failed.stderr


def live(registry: Registry) -> str:
    version = registry.pointer("patterns")
    assert version is not None
    return version.pointer.stable

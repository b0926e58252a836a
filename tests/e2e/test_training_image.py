"""The image of training jobs, run as SageMaker runs it: the folders below /opt/ml mounted, and no network."""

import json
import os
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import pytest
from tests.e2e.commands import UNREACHABLE, run
from tests.e2e.conftest import larder
from tests.toys.images import fill_classes

from larder.release.keys import MANIFEST
from larder_local.lambda_container import docker
from larder_training.datasets.synthetic_shop import generate

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("image")]
TAG = "larder-training:e2e"
BASE = "public.ecr.aws/lambda/python:3.13"  # has CPython 3.13, and is there for the tests of the functions
CLASSIFIER = {"kind": "classifier", "model": "patterns", "backbone": "none", "trials": "2", "augment": "none"}
SHOP = {"kind": "recommender", "model": "shop", "trials": "4", "reranker": "never", "without": '["als", "bpr"]'}


@pytest.fixture(scope="module")
def training_image() -> str:
    """The built image."""
    done = run("scripts/training-image", TAG, BASE=BASE)
    if done.returncode and any(reason in done.stderr for reason in UNREACHABLE):
        pytest.skip("the package registry cannot be reached, and its packages are not cached")
    assert done.returncode == 0, done.stderr
    return TAG


class Job:
    """A job: its folder, and the container that runs it.

    Attributes:
        root: The folder that is mounted at /opt/ml.
    """

    def __init__(
        self, root: Path, image: str, hyperparameters: Mapping[str, str], channels: Mapping[str, Path]
    ) -> None:
        self.root = root
        self._image = image
        self._mounts = [f"{root}:/opt/ml", *(f"{data}:/opt/ml/input/data/{name}:ro" for name, data in channels.items())]
        for name in ("input/config", "model", "output", "checkpoints", *(f"input/data/{name}" for name in channels)):
            (root / name).mkdir(parents=True)
        config = {
            "hyperparameters": hyperparameters,
            "inputdataconfig": {name: {"TrainingInputMode": "File"} for name in channels},
            "resourceconfig": {"current_host": "algo-1-x7k2p", "hosts": ["algo-1-x7k2p"]},
        }
        for name, document in config.items():
            (root / "input/config" / f"{name}.json").write_text(json.dumps(document))

    def start(self) -> str:
        """Starts the container as SageMaker does, and returns its id."""
        mounts = [word for mount in self._mounts for word in ("--volume", mount)]
        user = f"{os.getuid()}:{os.getgid()}"
        name = ("--env", "TRAINING_JOB_NAME=a-job")
        return docker("run", "--detach", "--network=none", "--user", user, *name, *mounts, self._image, "train").strip()

    def run(self) -> tuple[int, str]:
        """Runs the job to its end: the exit status and the log."""
        return ended(self.start())

    def files(self) -> dict[str, str]:
        """The SHA-256 of each file of the release, except for those that state times."""
        files = (path for path in (self.root / "model").iterdir() if path.name not in {MANIFEST, "report.html"})
        return {path.name: sha256(path.read_bytes()).hexdigest() for path in files}


def ended(container: str) -> tuple[int, str]:
    """Waits for the end of a container, removes it, and returns its status and its log."""
    status = int(docker("wait", container))
    log = docker("logs", container, errors=True)
    docker("rm", container)
    return status, log


def test_a_classifier_is_trained_stopped_and_gone_on_with_and_its_release_answers(
    training_image: str, tmp_path: Path
) -> None:
    # GIVEN the release of a job that was not interrupted
    channels = {"train": fill_classes(tmp_path / "images", 20)}
    whole = Job(tmp_path / "whole", training_image, CLASSIFIER, channels)
    status, log = whole.run()
    assert status == 0, log
    assert "test:accuracy=" in log
    # WHEN the same job gets SIGTERM once it has a checkpoint
    job = Job(tmp_path / "stopped", training_image, CLASSIFIER, channels)
    container = job.start()
    wait_for(job.root / "checkpoints", "features/*/*.keys")
    docker("stop", "--time", "120", container)
    status, log = ended(container)
    assert (status, [*(job.root / "model").iterdir()]) == (143, []), log
    # AND it starts again THEN the release has the same bytes
    status, log = job.run()
    assert status == 0, log
    assert "Going on from the checkpoints of this job" in log
    assert job.files() == whole.files()
    # AND it passes the rollout
    larder("publish", job.root / "model", "--store", (tmp_path / "store").as_uri())
    assert [*tmp_path.glob("store/models/patterns/live.json")]


def wait_for(folder: Path, pattern: str) -> None:
    """Waits until a file that matches the pattern has content."""
    until = time.monotonic() + 120
    while not any(path.stat().st_size for path in folder.glob(pattern)):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_recommender_is_trained_and_its_release_answers(training_image: str, tmp_path: Path) -> None:
    files = generate(tmp_path / "files", users=200, items=80, days=40, seed=3)
    channels = {}
    for name, path in {"interactions": files.interactions, "items": files.items}.items():
        channels[name] = tmp_path / name
        channels[name].mkdir()
        (channels[name] / Path(path).name).write_bytes(Path(path).read_bytes())
    job = Job(tmp_path / "job", training_image, SHOP, channels)
    status, log = job.run()
    assert status == 0, log
    assert "test:recall@20=" in log
    larder("publish", job.root / "model", "--store", (tmp_path / "store").as_uri())
    assert [*tmp_path.glob("store/models/shop/live.json")]


def test_a_wrong_hyperparameter_ends_the_job_with_a_reason(training_image: str, tmp_path: Path) -> None:
    job = Job(tmp_path / "job", training_image, {**CLASSIFIER, "flip": "maybe"}, {"train": tmp_path})
    status, log = job.run()
    reason = "Hyperparameter 'flip' is 'maybe': give one of auto, yes, no."
    assert (status, (job.root / "output/failure").read_text()) == (1, reason), log

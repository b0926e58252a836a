"""Folders of training jobs, and the entry point of the container as a process of this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.toys.images import fill_classes

from larder_training.datasets.synthetic_shop import generate
from larder_training.sagemaker.job_folder import JobFolder

MakeJob = Callable[..., JobFolder]

CLASSIFIER: Mapping[str, str] = {
    "kind": "classifier",
    "model": "patterns",
    "backbone": "none",
    "trials": "2",
    "augment": "none",
    "flip": "no",
}
RECOMMENDER: Mapping[str, str] = {
    "kind": "recommender",
    "model": "shop",
    "trials": "6",
    "reranker": "never",
    "without": '["pure_svd", "als", "bpr", "user_ease"]',
}


def write_job(root: Path, hyperparameters: Mapping[str, str], channels: Mapping[str, Path]) -> JobFolder:
    """Writes a folder as SageMaker mounts it at /opt/ml; the channels are links."""
    (config := root / "input/config").mkdir(parents=True)
    (root / "input/data").mkdir()
    for channel, data in channels.items():
        (root / "input/data" / channel).symlink_to(data, target_is_directory=True)
    mode = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    documents = {
        "hyperparameters": dict(hyperparameters),
        "inputdataconfig": dict.fromkeys(channels, mode),
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"},
    }
    for document, content in documents.items():
        (config / f"{document}.json").write_text(json.dumps(content))
    return JobFolder(root)


@pytest.fixture
def make_job(tmp_path: Path) -> MakeJob:
    """``make_job(hyperparameters, **channels)``: the folder of a job."""
    return lambda hyperparameters, **channels: write_job(tmp_path / "ml", hyperparameters, channels)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_classes(tmp_path_factory.mktemp("channel"), 20)


@pytest.fixture(scope="session")
def shop_channels(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The folders of the channels ``interactions``, ``items`` and ``users``."""
    folder = tmp_path_factory.mktemp("shop")
    files = generate(folder / "files", users=200, items=80, days=40, seed=3)
    channels = {}
    for name, path in {"interactions": files.interactions, "items": files.items, "users": files.users}.items():
        channels[name] = folder / name
        channels[name].mkdir()
        (channels[name] / Path(path).name).symlink_to(path)
    return channels


def start(layout: JobFolder, *words: str, **environment: str) -> "subprocess.Popen[str]":
    """Starts the program that the container runs; its output is one stream."""
    return subprocess.Popen(  # noqa: S603  our own code
        [sys.executable, "-m", "larder_training.sagemaker", *words],
        env={**os.environ, "SAGEMAKER_BASE_DIR": str(layout.root), "TRAINING_JOB_NAME": "a-job", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(layout: JobFolder, word: str = "train") -> tuple[int, str]:
    """Runs the program to its end: its exit status and its output."""
    process = start(layout, word)
    output, _ = process.communicate(timeout=240)
    return process.returncode, output


class Ended(NamedTuple):
    """A job that has ended."""

    layout: JobFolder
    status: int
    log: str


@pytest.fixture(scope="session")
def classifier_job(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Ended:
    """A job as version 3 of SageMaker's SDK starts it: without an argument."""
    layout = write_job(tmp_path_factory.mktemp("classifier") / "ml", CLASSIFIER, {"train": images})
    process = start(layout)
    log, _ = process.communicate(timeout=240)
    return Ended(layout, process.returncode, log)


@pytest.fixture(scope="session")
def recommender_job(tmp_path_factory: pytest.TempPathFactory, shop_channels: Mapping[str, Path]) -> Ended:
    layout = write_job(tmp_path_factory.mktemp("recommender") / "ml", RECOMMENDER, shop_channels)
    return Ended(layout, *run(layout))

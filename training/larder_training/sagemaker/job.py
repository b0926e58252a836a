"""A training job: reads its folder, trains, and leaves a release, or the reason why there is none."""

import json
import logging
import os
import shlex
import shutil
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, Final

from larder.errors import InvalidRequest, LarderError
from larder.jobs import hyperparameters
from larder.release.keys import MANIFEST
from larder.release.manifest import Kind
from larder_training.reporting.progress import Progress
from larder_training.sagemaker import channels
from larder_training.sagemaker.job_folder import JobFolder
from larder_training.sagemaker.metrics import metric_lines

STOPPED: Final = 128 + signal.SIGTERM  # the exit status of a program that SIGTERM ends
_JOB: Final = "job.json"
_RELEASE: Final = ".release"  # in model while it is written
_log = logging.getLogger("larder")


def run(folder: JobFolder, words: Sequence[str] = ("train",)) -> int:
    """Runs the job of a folder and returns the exit status.

    0: the release is in ``model``. 1: it failed, and ``output/failure`` has the reason. 143: SIGTERM stopped it, and
    the same job goes on from ``checkpoints`` when it starts again.

    Args:
        folder: The folder.
        words: The arguments of the program: ``train``, or none.
    """
    signal.signal(signal.SIGTERM, _stop)
    _log_to_stdout()
    try:
        _check_program(words)
        train(folder)
    except LarderError as error:
        return _failed(folder, str(error))
    except SystemExit:
        _log.info("Stopped by SIGTERM. The same job goes on from its checkpoints when it starts again.")
        return STOPPED
    except Exception as error:  # noqa: BLE001  the reason of any failure belongs into the file
        traceback.print_exc()
        return _failed(folder, f"Internal error: {type(error).__name__}: {error}. The log has the details.")
    return 0


def train(folder: JobFolder) -> None:
    """Trains what the folder of a job states, and puts the files of the release into ``model``.

    Raises:
        InvalidRequest: A hyperparameter, a channel or the data cannot be used; the message says what to do.
    """
    kind, values = hyperparameters.read(folder.hyperparameters())
    if len(folder.hosts()) > 1:
        raise InvalidRequest(f"The job has {len(folder.hosts())} instances, but one trains: set InstanceCount to 1.")
    folder.model.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="larder-") as scratch:
        command, created = _command(values), _created(folder, kind, values)
        data = channels.inputs(kind, folder.channels(), values.pop("list", None), Path(scratch))
        cache = folder.checkpoints / ("features" if kind == "classifier" else "search")
        values |= {"created": created, "out": folder.model / _RELEASE, "cache": cache}
        shutil.rmtree(folder.model / _RELEASE, ignore_errors=True)  # of a job that was killed here
        _publish(_train(kind, data, values, command), folder)


def _check_program(words: Sequence[str]) -> None:
    if list(words) not in ([], ["train"]):
        raise InvalidRequest(f"{' '.join(words)!r:.80} is not a program of this image: give train.")


def _train(kind: Kind, data: Mapping[str, Any], values: Mapping[str, Any], command: str) -> Any:  # noqa: ANN401  a Release; importing it takes seconds, in which SIGTERM must be heard
    from larder_training import ClassifierOptions, RecommenderOptions, Release
    from larder_training.api.keywords import ClassifierKeywords, RecommenderKeywords, arguments
    from larder_training.classifier.train import train as train_classifier
    from larder_training.recommender.train import train as train_recommender

    if kind == "classifier":
        others = {name: value for name, value in data.items() if name != "images"}
        chosen = arguments(ClassifierOptions, ClassifierKeywords, {**values, **others}, "train")
        return Release(train_classifier(ClassifierOptions(data["images"], **chosen), Progress(), command))
    chosen = arguments(RecommenderOptions, RecommenderKeywords, values, "train")
    return Release(train_recommender(RecommenderOptions(**data, **chosen), Progress(), command))


def _command(values: Mapping[str, Any]) -> str:
    """The command that repeats this job, for the manifest; the caller's, or one that does not know the channels."""
    texts = {name: hyperparameters.as_text(value) for name, value in values.items()}
    words = [word for name, text in texts.items() if name != "model" for word in ("--set", f"{name}={text}")]
    return os.environ.get("LARDER_COMMAND") or shlex.join(["larder", "retrain", texts["model"], *words])


def _publish(release: Any, folder: JobFolder) -> None:  # noqa: ANN401  as above
    """Moves the files of a release into ``model``, the manifest last."""
    for line in metric_lines(release.manifest):
        _log.info(line)
    for name in (*release.manifest.files, MANIFEST):
        (release.path / name).replace(folder.model / name)
    shutil.rmtree(release.path.parent)
    (folder.checkpoints / _JOB).unlink(missing_ok=True)
    _log.info("Made the %s %s, release %s.", release.kind, release.manifest.model, release.manifest.release)


def _created(folder: JobFolder, kind: Kind, values: Mapping[str, Any]) -> datetime:
    """When this job started first: a job that is stopped and goes on makes the release that it would have made."""
    job = {"name": os.environ.get("TRAINING_JOB_NAME", ""), "hyperparameters": {"kind": kind, **values}}
    path = folder.checkpoints / _JOB
    try:
        known = json.loads(path.read_bytes())
        if known["job"] == job:
            _log.info("Going on from the checkpoints of this job, which started at %s.", known["started"])
            return datetime.fromisoformat(known["started"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    now = datetime.now(UTC).replace(microsecond=0)
    folder.checkpoints.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"job": job, "started": now.isoformat()}), encoding="utf-8")
    part.replace(path)
    return now


def _stop(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # once: what is open is closed undisturbed
    sys.exit(STOPPED)


def _failed(folder: JobFolder, reason: str) -> int:
    _log.error("Failed: %s", reason)
    folder.fail(reason)
    return 1


def _log_to_stdout() -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    _log.handlers = [handler]
    _log.setLevel(logging.INFO)
    _log.propagate = False

"""``larder retrain``."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from larder.errors import InvalidRequest
from larder_local.commands.registry.options import store_option
from larder_local.workspace import Workspace

if TYPE_CHECKING:  # it imports the commands of training
    from larder_training.cli.stated_job import StatedJob

_FILE_MODE: Final = {"TrainingInputMode": "File"}


@click.command("retrain")
@click.argument("model")
@click.option(
    "--channel",
    "channels",
    multiple=True,
    metavar="NAME=PATH",
    help="Folder or file of a channel, such as train=images; repeatable [default: what the live release states].",
)
@click.option(
    "--set",
    "values",
    multiple=True,
    metavar="NAME=VALUE",
    help="Hyperparameter, such as trials=12; repeatable [default: those that the live release states].",
)
@click.option("--force", is_flag=True, help="Publish it even if it is worse than the live release.")
@store_option
def command(model: str, *, channels: Sequence[str], values: Sequence[str], force: bool, store: str | None) -> None:
    """Train MODEL again, as a SageMaker job does, and publish the release.

    Data and hyperparameters are those of the command that trained the live release; --channel and --set replace single
    ones. The job runs in .larder/jobs/MODEL: an interrupted one goes on when the command is given again. The release
    goes live if it passes the gate, as with `larder publish`.
    """
    from larder_local.releases import named, publishing  # obstore is slow to import: --help does without it
    from larder_training.cli.stated_job import StatedJob, retrain_command, stated_job
    from larder_training.release.loader import read_manifest

    workspace = Workspace.current()
    url = store or workspace.store
    manifest = read_manifest(named.live_or_newest(model, workspace, url).announce())
    stated = stated_job(manifest.kind, str(manifest.training.get("command", "")))
    paths: dict[str, tuple[Path, ...]] = {}
    for name, path in _pairs(channels, "--channel"):
        paths[name] = (*paths.get(name, ()), Path(path).resolve())
    job = StatedJob({**stated.channels, **paths}, {**stated.hyperparameters, **dict(_pairs(values, "--set"))})
    if not job.channels:
        raise InvalidRequest(f"The release of {model} states no data: give --channel NAME=PATH.")
    folder = workspace.root / "jobs" / manifest.model
    _write(folder, manifest.kind, manifest.model, job)
    _run(folder, retrain_command(manifest.model, job))
    if publishing.publish(folder / "model", url, force=force).state == "rejected":
        sys.exit(1)


def _pairs(texts: Sequence[str], flag: str) -> list[tuple[str, str]]:
    """The names and values of ``NAME=VALUE``. Raises InvalidRequest."""
    pairs = [text.partition("=") for text in texts]
    if wrong := [text for text, (name, equals, _) in zip(texts, pairs, strict=True) if not name or not equals]:
        raise InvalidRequest(f"{flag} {wrong[0]!r} is not NAME=VALUE: give both.")
    return [(name, value) for name, _, value in pairs]


def _write(folder: Path, kind: str, model: str, job: "StatedJob") -> None:
    """Writes a job's input below ``folder``; its checkpoints stay."""
    from larder.jobs.hyperparameters import as_text

    for name in ("input", "model", "output"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (config := folder / "input/config").mkdir(parents=True)
    hyperparameters = {"kind": kind, "model": model, **job.hyperparameters}
    for channel, paths in job.channels.items():
        place = folder / "input/data" / channel
        place.parent.mkdir(exist_ok=True)
        if len(paths) == 1 and paths[0].is_dir():
            place.symlink_to(paths[0], target_is_directory=True)
        elif channel == "train":  # a list of images, with its images beside it
            place.symlink_to(paths[0].parent, target_is_directory=True)
            hyperparameters["list"] = paths[0].name
        else:
            place.mkdir()
            _link(place, paths)
    texts = {name: as_text(value) for name, value in hyperparameters.items()}
    (config / "hyperparameters.json").write_text(json.dumps(texts), encoding="utf-8")
    (config / "inputdataconfig.json").write_text(json.dumps(dict.fromkeys(job.channels, _FILE_MODE)), encoding="utf-8")


def _link(place: Path, paths: Sequence[Path]) -> None:
    """Links files into a folder."""
    for path in paths:
        if not path.is_file():
            raise InvalidRequest(f"{path} is not a file: give a folder, or files of different names.")
        if (place / path.name).is_symlink():
            raise InvalidRequest(f"Two files are named {path.name}: give a folder that has both.")
        (place / path.name).symlink_to(path)


def _run(folder: Path, command_line: str) -> None:
    """Runs the program of the training container on a folder. Raises InvalidRequest with the reason of a failure."""
    environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(folder), "LARDER_COMMAND": command_line}
    program = [sys.executable, "-m", "larder_training.sagemaker", "train"]
    status = subprocess.run(program, env=environment, check=False).returncode  # noqa: S603  our own program
    if status:
        failure = folder / "output/failure"
        reason = failure.read_text(encoding="utf-8") if failure.exists() else f"It ended with status {status}."
        raise InvalidRequest(f"The training failed; the live release stays. {reason}")

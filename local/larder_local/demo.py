"""The demo: ``larder up`` trains two models on this machine if it finds none.

Each step is a ``larder`` command in its own process, as a user would type it, so that the memory of a training is freed
afterwards. A step whose result exists is skipped: an interrupted start resumes where it stopped.
"""

import csv
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from larder.errors import LarderError, MissingObject
from larder.registry import Registry
from larder.store import Store, open_store
from larder_local.workspace import Workspace

DIGITS: Final = "digits"
SHOP: Final = "shop"
_STOP_SECONDS: Final = 20.0
_QUICK: Final = ("--trials", "30", "--reranker", "never")  # keeps the demo under about a minute


def prepare(workspace: Workspace) -> None:
    """Trains and publishes the missing models of the demo, unless the store has models of the user.

    Raises LarderError if a step fails; the step has printed the reason.
    """
    store, unfinished = open_store(workspace.store), workspace.demo / "unfinished"
    if Registry(store).models() and not unfinished.exists():
        return
    click.echo(f"{workspace.root.name} has no model yet: training the demo once. This takes about a minute.")
    workspace.demo.mkdir(parents=True, exist_ok=True)
    unfinished.touch()
    for model in (DIGITS, SHOP):
        if not is_live(store, model):
            _train_and_publish(workspace, model)
    unfinished.unlink()


def is_live(store: Store, model: str) -> bool:
    """Whether ``model`` has a live release."""
    try:
        return Registry(store).pointer(model) is not None
    except MissingObject:
        return False


def digits_sample(workspace: Workspace) -> Path | None:
    """An image of the test set of the demo's classifier, or None if there is none."""
    return next(iter(sorted((workspace.demo / DIGITS / "test" / "3").glob("*.png"))), None)


def shop_sample(workspace: Workspace) -> str | None:
    """A user with interactions in the demo's shop, or None if there is none."""
    try:
        with (workspace.demo / SHOP / "interactions.csv").open(encoding="utf-8", newline="") as file:
            return next(csv.DictReader(file))["USER_ID"]
    except (OSError, StopIteration):
        return None


def _train_and_publish(workspace: Workspace, model: str) -> None:
    data = workspace.demo / model
    if not data.is_dir():
        _larder("demo", model, str(data))
    if not workspace.releases_of(model):
        data_options = (
            ["classifier", str(data / "train")]
            if model == DIGITS
            else [
                "recommender",
                *(f"--{name}={data / name}.csv" for name in ("interactions", "items", "users")),
                *_QUICK,
            ]
        )
        _larder("train", *data_options, "--model", model, "--out", str(workspace.releases))
    _larder("publish", str(workspace.releases_of(model)[-1]), "--store", workspace.store)


def _larder(*arguments: str) -> None:
    click.echo(f"\n$ larder {' '.join(_relative(arguments))}")
    process = subprocess.Popen([sys.executable, "-m", "larder_local", *arguments])  # noqa: S603  our own command
    try:
        status = process.wait()
    except BaseException:
        process.terminate()  # not kill: the command removes its unfinished files
        process.wait(_STOP_SECONDS)
        raise
    if status:
        raise LarderError(
            "The demo is not complete: fix the problem above and run `larder up` again; finished steps are kept."
        )


def _relative(arguments: Sequence[str]) -> list[str]:
    working_folder = f"{Path.cwd()}/"
    return [argument if "://" in argument else argument.replace(working_folder, "") for argument in arguments]

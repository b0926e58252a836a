"""The demo: ``larder up`` trains two models on this machine if it finds none.

Each step is a ``larder`` command in its own process, as a user would type it, so that the memory of a training is freed
afterwards. A step whose result exists is skipped: an interrupted start resumes where it stopped.
"""

import asyncio
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from larder.errors import InvalidManifest, LarderError
from larder.registry import Registry
from larder.store import Store, open_store
from larder_local.workspace import Workspace

DIGITS: Final = "digits"
SHOP: Final = "shop"
MODELS: Final = (DIGITS, SHOP)  # in the order of their training
_STOP_SECONDS: Final = 20.0
_QUICK: Final = ("--trials", "30", "--reranker", "never")  # keeps the demo under about a minute


def missing(workspace: Workspace) -> tuple[str, ...]:
    """The models of the demo that are not live, in the order of their training; none if the store has others."""
    store = open_store(workspace.store)
    if Registry(store).models() and not _unfinished(workspace).exists():
        return ()
    return tuple(model for model in MODELS if not is_live(store, model))


async def train(workspace: Workspace, model: str) -> None:
    """Trains and publishes a model of the demo.

    Raises LarderError if a step fails; the step has printed the reason. When it is cancelled, the step is stopped.
    """
    workspace.demo.mkdir(parents=True, exist_ok=True)
    _unfinished(workspace).touch()
    data = workspace.demo / model
    if not data.is_dir():
        await _larder("demo", model, str(data))
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
        await _larder("train", *data_options, "--model", model, "--out", str(workspace.releases))
    await _larder("publish", str(workspace.releases_of(model)[-1]), "--store", workspace.store)
    if model == SHOP:
        await _larder("events", "on", model, "--hide", "pay", "--store", workspace.store)
    if not missing(workspace):
        _unfinished(workspace).unlink()


def is_live(store: Store, model: str) -> bool:
    """Whether ``model`` has a live release."""
    try:
        return Registry(store).pointer(model) is not None
    except InvalidManifest:
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


def shop_item(workspace: Workspace) -> str | None:
    """The item of the last event of the demo's shop, or None if there is none."""
    try:
        with (workspace.demo / SHOP / "interactions.csv").open(encoding="utf-8", newline="") as file:
            items: list[str] = [row["ITEM_ID"] for row in csv.DictReader(file)]
            return items[-1]
    except (OSError, IndexError):
        return None


def _unfinished(workspace: Workspace) -> Path:
    """The file that exists while the demo is trained."""
    return workspace.demo / "unfinished"


async def _larder(*arguments: str) -> None:
    click.echo(f"\n$ larder {' '.join(_relative(arguments))}")
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "larder_local", *arguments)
    try:
        status = await process.wait()
    except asyncio.CancelledError:
        process.terminate()  # not kill: the command removes its unfinished files
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
        raise
    if status:
        raise LarderError(
            "The demo is not complete: fix the problem above and run `larder up` again; finished steps are kept."
        )


def _relative(arguments: Sequence[str]) -> list[str]:
    working_folder = f"{Path.cwd()}/"
    return [argument if "://" in argument else argument.replace(working_folder, "") for argument in arguments]

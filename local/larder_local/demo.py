"""The demo: two models trained on this machine the first time that ``larder up`` finds none.

Each step is a ``larder`` command in a process of its own, the very one that a person would type, so that the memory of
a training goes with it. A step whose result stands is not done again: an interrupted start goes on where it was.
"""

import csv
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import click

from larder.errors import LarderError, MissingObject
from larder.registry import Registry
from larder.store import Store, open_store
from larder_local.workspace import Workspace

DIGITS: Final = "digits"
SHOP: Final = "shop"
_STOP_SECONDS: Final = 20.0
_QUICK: Final = ("--trials", "30", "--reranker", "never")  # a minute is what somebody waits for a demo


def prepare(folder: Workspace) -> None:
    """Trains and publishes what of the demo is missing, unless the store has models of the user's own.

    Raises LarderError where a step fails; the step itself has told why.
    """
    store, unfinished = open_store(folder.store), folder.demo / "unfinished"
    if Registry(store).models() and not unfinished.exists():
        return
    click.echo(f"There is no model in {folder.root.name} yet: training the demo. This takes about a minute, once.")
    folder.demo.mkdir(parents=True, exist_ok=True)
    unfinished.touch()
    for model in (DIGITS, SHOP):
        if not is_live(store, model):
            _make(folder, model)
    unfinished.unlink()


def is_live(store: Store, model: str) -> bool:
    """Whether a release of ``model`` answers."""
    try:
        return Registry(store).pointer(model) is not None
    except MissingObject:
        return False


def digits_sample(folder: Workspace) -> Path | None:
    """A picture that the demo's classifier was not trained on."""
    return next(iter(sorted((folder.demo / DIGITS / "test" / "3").glob("*.png"))), None)


def shop_sample(folder: Workspace) -> str | None:
    """A user of the demo's shop who did something there."""
    try:
        with (folder.demo / SHOP / "interactions.csv").open(encoding="utf-8", newline="") as file:
            return next(csv.DictReader(file))["USER_ID"]
    except (OSError, StopIteration):
        return None


def write_whole(target: Path, write: Callable[[Path], object]) -> None:
    """Lets ``write`` fill a folder, which gets the name ``target`` once it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(mkdtemp(prefix=".writing-", dir=target.parent))
    try:
        write(scratch)
        scratch.chmod(0o755)
        scratch.rename(target)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _make(folder: Workspace, model: str) -> None:
    data = folder.demo / model
    if not data.is_dir():
        _larder("demo", model, str(data))
    if not folder.releases_of(model):
        source = (
            ["classifier", str(data / "train")]
            if model == DIGITS
            else [
                "recommender",
                *(f"--{name}={data / name}.csv" for name in ("interactions", "items", "users")),
                *_QUICK,
            ]
        )
        _larder("train", *source, "--model", model, "--out", str(folder.releases))
    _larder("publish", str(folder.releases_of(model)[-1]), "--store", folder.store)


def _larder(*arguments: str) -> None:
    click.echo(f"\n$ larder {' '.join(_short(arguments))}")
    process = subprocess.Popen([sys.executable, "-m", "larder_local", *arguments])  # noqa: S603  our own command
    try:
        status = process.wait()
    except BaseException:
        process.terminate()  # and not kill: it removes what it had begun
        process.wait(_STOP_SECONDS)
        raise
    if status:
        raise LarderError(
            "The demo could not be made: mend what is told above, and start again; what is done stays done."
        )


def _short(arguments: Sequence[str]) -> list[str]:
    here = f"{Path.cwd()}/"
    return [argument if "://" in argument else argument.replace(here, "") for argument in arguments]

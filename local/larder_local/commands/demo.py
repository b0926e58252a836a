"""``larder demo``."""

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import click

from larder.errors import InvalidRequest


@click.group("demo")
def command() -> None:
    """Write the training data of the demo to a folder."""


@command.command("digits")
@click.argument("folder", type=click.Path(path_type=Path))
def digits(folder: Path) -> None:
    """Write scikit-learn's 1,797 handwritten digits as PNG files to FOLDER/train and FOLDER/test.

    The images are those of the UCI ML hand-written digits data set, dark on white and scaled from 8 to 64 pixels.
    """
    from larder_training.datasets.digits import write

    _write_folder(folder, write)
    click.echo(f"Wrote handwritten digits to {folder}: train/<digit>/*.png and test/<digit>/*.png.")
    click.echo(f"Next: larder train classifier {folder / 'train'} --model digits")


@command.command("shop")
@click.argument("folder", type=click.Path(path_type=Path))
def shop(folder: Path) -> None:
    """Write the synthetic data of a shop as interactions.csv, items.csv and users.csv to FOLDER."""
    from larder_training.datasets.synthetic_shop import generate

    _write_folder(folder, generate)
    click.echo(f"Wrote the data of a shop to {folder}: interactions.csv, items.csv, users.csv.")
    files = " ".join(f"--{name}={folder / name}.csv" for name in ("interactions", "items", "users"))
    click.echo(f"Next: larder train recommender {files} --model shop")


def _write_folder(target: Path, write: Callable[[Path], object]) -> None:
    """Lets ``write`` fill a temporary folder, which is renamed to ``target`` when it is complete.

    Raises InvalidRequest if ``target`` exists.
    """
    if target.exists():
        raise InvalidRequest(f"{target} exists: remove it, or choose another folder.")
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(mkdtemp(prefix=".writing-", dir=target.parent))
    try:
        write(scratch)
        scratch.chmod(0o755)
        scratch.rename(target)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise

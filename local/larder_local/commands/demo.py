"""``larder demo``."""

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import click

from larder.errors import InvalidRequest

_SIDE: Final = 64  # pixels: about the size of one digit cropped from a phone's image
_HELD_OUT: Final = 6  # one in this many images goes to the test folder


@click.group("demo")
def command() -> None:
    """Write the training data of the demo to a folder."""


@command.command("digits")
@click.argument("folder", type=click.Path(path_type=Path))
def digits(folder: Path) -> None:
    """Write scikit-learn's 1,797 handwritten digits as PNG files to FOLDER/train and FOLDER/test.

    The images are those of the UCI ML hand-written digits data set, dark on white and scaled from 8 to 64 pixels.
    """
    _write_folder(folder, _write_digits)
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


def _write_digits(folder: Path) -> None:
    from PIL import Image
    from sklearn.datasets import load_digits

    data = load_digits()
    for index, (pixels, label) in enumerate(zip(data.images, data.target, strict=True)):
        part = folder / ("test" if index % _HELD_OUT == 0 else "train") / str(label)
        part.mkdir(parents=True, exist_ok=True)
        # The data go from 0 (paper) to 16 (ink).
        image = Image.fromarray((255 - pixels * (255 / 16)).astype("uint8"))
        image.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).save(part / f"{index:04}.png")

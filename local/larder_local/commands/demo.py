"""``larder demo``."""

from pathlib import Path
from typing import Final

import click

from larder.errors import InvalidRequest
from larder_local.demo import write_whole

_SIDE: Final = 64  # pixels: what a phone's photo of one digit would have once cropped
_HELD_OUT: Final = 6  # one of so many pictures is kept for asking


@click.group("demo")
def command() -> None:
    """Write the demo's training data into a folder."""


@command.command("digits")
@click.argument("folder", type=click.Path(path_type=Path))
def digits(folder: Path) -> None:
    """Write scikit-learn's 1,797 handwritten digits as PNG files into FOLDER/train and FOLDER/test.

    The pictures are those of the UCI ML hand-written digits data set, dark on white and scaled from 8 to 64 pixels.
    """
    _new(folder)
    write_whole(folder, _write_digits)
    click.echo(f"Handwritten digits are in {folder}: train/<digit>/*.png and test/<digit>/*.png.")


@command.command("shop")
@click.argument("folder", type=click.Path(path_type=Path))
def shop(folder: Path) -> None:
    """Write an invented shop's log as interactions.csv, items.csv and users.csv into FOLDER."""
    from larder_training.datasets.synthetic_shop import generate

    _new(folder)
    write_whole(folder, generate)
    click.echo(f"A shop's log is in {folder}: interactions.csv, items.csv, users.csv.")


def _new(folder: Path) -> None:
    if folder.exists():
        raise InvalidRequest(f"{folder} exists: name a folder that does not, or remove it.")


def _write_digits(folder: Path) -> None:
    from PIL import Image
    from sklearn.datasets import load_digits

    data = load_digits()
    for number, (pixels, label) in enumerate(zip(data.images, data.target, strict=True)):
        part = folder / ("test" if number % _HELD_OUT == 0 else "train") / str(label)
        part.mkdir(parents=True, exist_ok=True)
        # The data are 0 (paper) to 16 (ink).
        picture = Image.fromarray((255 - pixels * (255 / 16)).astype("uint8"))
        picture.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).save(part / f"{number:04}.png")

"""``larder export``."""

from pathlib import Path
from typing import Final, cast, get_args

import click

from larder.release.keys import MANIFEST
from larder.release.manifest import parse
from larder_local.workspace import Workspace
from larder_training.export_folder import Target, export_folder

_SUFFIX: Final[dict[Target, str]] = {"saved-onnx": "onnx", "labels.txt": "labels", "docker": "docker"}


@click.command("export")
@click.argument("release")
@click.option(
    "--to",
    "target",
    type=click.Choice(get_args(Target)),
    default="saved-onnx",
    show_default=True,
    help="The model with a Python example; with its labels alone; or with an HTTP server and a Dockerfile.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The folder to write; without it, MODEL-onnx and the like."
)
def command(release: str, target: str, out: Path | None) -> None:
    """Write a classifier's RELEASE as a folder that runs without Larder.

    RELEASE is a folder that a training wrote, or a model: then its newest release under .larder/releases.
    """
    path = Workspace.current().release(release)
    wanted = cast("Target", target)
    if out is None:
        out = Path(f"{parse((path / MANIFEST).read_bytes()).model}-{_SUFFIX[wanted]}")
    click.echo(export_folder(path, wanted, out))

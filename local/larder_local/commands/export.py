"""``larder export``."""

from pathlib import Path
from typing import Final, cast, get_args

import click

from larder.release.keys import MANIFEST
from larder.release.manifest import parse
from larder_local.commands.registry.options import store_option
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
    help="saved-onnx: the model and a Python example. labels.txt: the model and its labels. docker: the model, an HTTP "
    "server and a Dockerfile.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to write [default: MODEL-onnx, MODEL-labels or MODEL-docker].",
)
@store_option
def command(release: str, target: str, out: Path | None, store: str | None) -> None:
    """Export the RELEASE of a classifier to a folder that runs without Larder.

    RELEASE is a release folder, or the name of a model, which selects its live release, or else its newest release in
    .larder/releases.
    """
    from larder_local.releases import named  # obstore is slow to import: --help does without it

    workspace = Workspace.current()
    path = named.live_or_newest(release, workspace, store or workspace.store).announce()
    export_target = cast("Target", target)
    if out is None:
        out = Path(f"{parse((path / MANIFEST).read_bytes()).model}-{_SUFFIX[export_target]}")
    written = export_folder(path, export_target, out)
    click.echo(f"Wrote {written}. Next: read {written / 'README.md'}")

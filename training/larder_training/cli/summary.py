"""What a training prints at its end: what it made, how good that is, the report, and the next command."""

from pathlib import Path
from typing import Final

import click

from larder.release.keys import MANIFEST
from larder.release.manifest import parse
from larder.release.quality import quality

REPORT: Final = "report.html"


def print_release(folder: Path, *, newest_of: Path) -> None:
    """Prints the summary of a release on standard output.

    Args:
        folder: The release.
        newest_of: The folder in which a model's name finds its releases.
    """
    manifest = parse((folder / MANIFEST).read_bytes())
    found = quality(manifest)
    click.echo(f"Made the {manifest.kind} {manifest.model}, release {manifest.release}:")
    click.echo(f"  quality  {found.text() if found else 'not measured: there was nothing to test on'}")
    click.echo(f"  report   {folder / REPORT}")
    click.echo(f"  folder   {folder}")
    named = manifest.model if folder.parent == newest_of else str(folder)
    click.echo(f"Next: larder publish {named}")

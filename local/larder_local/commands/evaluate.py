"""``larder evaluate``."""

import json
from collections.abc import Mapping
from pathlib import Path

import click

from larder_local.workspace import Workspace
from larder_training.io.s3 import source
from larder_training.reporting.progress import Progress


@click.command("evaluate")
@click.argument("release")
@click.option("--images", type=source, help="Labelled photos (maybe s3://bucket/prefix), for a classifier.")
@click.option(
    "--interactions", type=source, multiple=True, help="Later events, for a recommender; a file, folder or s3:// URL."
)
@click.option("--history", type=source, multiple=True, help="Earlier events: what users did before.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
def command(
    release: str,
    images: Path | str | None,
    interactions: tuple[Path | str, ...],
    history: tuple[Path | str, ...],
    *,
    as_json: bool,
) -> None:
    """Measure RELEASE on data it has not seen: --images for a classifier, --interactions for a recommender.

    RELEASE is a folder that a training wrote, or a model: then its newest release under .larder/releases.
    """
    if (images is None) != bool(interactions):
        raise click.UsageError("Give --images for a classifier, or --interactions for a recommender.")
    if history and not interactions:
        raise click.UsageError("--history goes with --interactions.")
    path = Workspace.current().release(release)
    measured = _photos(path, images, Progress(quiet=as_json)) if images else _events(path, interactions, history)
    if as_json:
        click.echo(json.dumps(measured, ensure_ascii=False, indent=2))
    else:
        for name, value in measured.items():
            if not isinstance(value, list | dict) or (isinstance(value, dict) and len(value) < 8):
                click.echo(f"{name}: {json.dumps(value, ensure_ascii=False)}")


def _photos(release: Path, images: Path | str, progress: Progress) -> Mapping[str, object]:
    from larder_training.classifier.evaluation.evaluate import evaluate

    return evaluate(release, images, progress=progress)


def _events(
    release: Path, interactions: tuple[Path | str, ...], history: tuple[Path | str, ...]
) -> Mapping[str, object]:
    from larder_training.recommender.evaluation.evaluate import evaluate

    return evaluate(release, interactions, history or None)

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
@click.option(
    "--images", type=source, help="Labelled images to evaluate a classifier on: a folder, or s3://bucket/prefix."
)
@click.option(
    "--interactions",
    type=source,
    multiple=True,
    help="Later interactions to evaluate a recommender on: a file, a folder or an s3:// URL.",
)
@click.option("--history", type=source, multiple=True, help="The users' interactions before those of --interactions.")
@click.option("--json", "as_json", is_flag=True, help="Print the evaluation as JSON.")
def command(
    release: str,
    images: Path | str | None,
    interactions: tuple[Path | str, ...],
    history: tuple[Path | str, ...],
    *,
    as_json: bool,
) -> None:
    """Evaluate RELEASE on held-out data: --images for a classifier, --interactions for a recommender.

    RELEASE is a release folder, or the name of a model, which selects its newest release in .larder/releases.
    """
    if (images is None) != bool(interactions):
        raise click.UsageError("Give --images for a classifier, or --interactions for a recommender.")
    if history and not interactions:
        raise click.UsageError("--history needs --interactions.")
    path = Workspace.current().release(release)
    evaluation = (
        _evaluate_classifier(path, images, Progress(quiet=as_json))
        if images
        else _evaluate_recommender(path, interactions, history)
    )
    if as_json:
        click.echo(json.dumps(evaluation, ensure_ascii=False, indent=2))
    else:
        for name, value in evaluation.items():
            if not isinstance(value, list | dict) or (isinstance(value, dict) and len(value) < 8):
                click.echo(f"{name}: {json.dumps(value, ensure_ascii=False)}")


def _evaluate_classifier(release: Path, images: Path | str, progress: Progress) -> Mapping[str, object]:
    from larder_training.classifier.evaluation.evaluate import evaluate

    return evaluate(release, images, progress=progress)


def _evaluate_recommender(
    release: Path, interactions: tuple[Path | str, ...], history: tuple[Path | str, ...]
) -> Mapping[str, object]:
    from larder_training.recommender.evaluation.evaluate import evaluate

    return evaluate(release, interactions, history or None)

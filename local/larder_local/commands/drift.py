"""``larder drift``."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from larder.errors import InvalidRequest
from larder_local.commands.registry.options import store_option
from larder_local.console import print_table
from larder_local.workspace import Workspace
from larder_training.reporting.progress import Progress

if TYPE_CHECKING:  # both are slow to import: --help does without them
    from larder.store import Store
    from larder_training.classifier.drift.compare import Drift

_LISTED: Final = 10  # images most unlike training
_FOLDER: Final = click.Path(file_okay=False, path_type=Path)


@click.command("drift")
@click.argument("release")
@click.option("--training", required=True, type=_FOLDER, help="Folder of the images that the release was trained on.")
@click.option("--images", required=True, type=_FOLDER, help="Folder of images that it was asked about since.")
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="File to write an HTML report with images to."
)
@click.option(
    "--retrain", is_flag=True, help="If something has drifted, ask for a training as the model's schedule states."
)
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON and hide progress.")
def command(
    release: str,
    *,
    training: Path,
    images: Path,
    report: Path | None,
    retrain: bool,
    store: str | None,
    as_json: bool,
) -> None:
    """Compare the images that a classifier is asked about with those that it was trained on.

    RELEASE is a release folder, or the name of a model, which selects its live release. The images need no labels;
    folders below are read too. New content, other shares of labels, more unknown images and a lower accuracy are
    separate causes.
    """
    from larder.store import open_store
    from larder_local.releases import named
    from larder_training.classifier.drift.compare import compare
    from larder_training.classifier.drift.outputs import ask
    from larder_training.classifier.reports.drift_page import headline, page
    from larder_training.release.loader import read_classifier

    workspace = Workspace.current()
    folder = named.live_or_newest(release, workspace, store or workspace.store).announce()
    manifest, serving = read_classifier(folder, "give a classifier.")
    progress = Progress(quiet=as_json)
    known, asked = _files(training), _files(images)
    drift = compare(manifest, ask(folder, serving, known, progress), ask(folder, serving, asked, progress))
    if report is not None:
        report.write_bytes(page(manifest, drift, asked))
    unlike = [str(asked[row]) for row in drift.most_unlike(_LISTED)]
    if as_json:
        identity = {"model": manifest.model, "release": manifest.release}
        click.echo(json.dumps({**identity, **drift.document(), "most_unlike": unlike}, ensure_ascii=False, indent=2))
    else:
        _print(drift, headline(drift), unlike)
    if retrain and drift.causes:
        _retrain(open_store(store or workspace.store), manifest.model, ", ".join(drift.causes), quiet=as_json)


def _files(folder: Path) -> list[Path]:
    """The files in the folder and those below it; hidden ones are left out. Raises InvalidRequest if there are none."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    found = sorted(path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    if not found:
        raise InvalidRequest(f"{folder} has no files: give a folder of images.")
    return found


def _print(drift: "Drift", result: str, unlike: Sequence[str]) -> None:
    click.echo(result)
    click.echo(f"{drift.images:,} images, {drift.distinct:,} distinct.\n")
    rows = [["content: AUC, and its lower bound", f"{drift.content.auc:.3f}", f"{drift.content.low:.3f}"]]
    for name, change in (("unknown, before and now", drift.unknown), ("accuracy, before and now", drift.accuracy)):
        if change is not None:
            rows.append([name, f"{change.before:.1%}", f"{change.after:.1%}"])
    rows += [[shift.name, f"{shift.before:.1%}", f"{shift.after:.1%}"] for shift in drift.labels.categories]
    print_table(("test or label", "training", "now"), rows)
    click.echo("\nMost unlike training:")
    for path in unlike:
        click.echo(f"  {path}")


def _retrain(store: "Store", model: str, causes: str, *, quiet: bool) -> None:
    from larder.jobs.schedules import request_training

    now = datetime.now(UTC).replace(microsecond=0)
    request = request_training(store, model, "drift", f"{now:%Y-%m-%d} {causes}", now)
    if not quiet:
        asked = f"Training job {request.job} was asked for." if request else "Its schedule does not train on drift."
        click.echo(asked)

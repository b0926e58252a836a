"""``larder evaluate``."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from larder_local.commands.registry.options import store_option
from larder_local.console import print_table
from larder_local.workspace import Workspace
from larder_training.classifier.config.options import parse_roles
from larder_training.cli.image_options import list_options
from larder_training.cli.log_options import time_format_option
from larder_training.io.column_names import parse_columns
from larder_training.io.s3 import source
from larder_training.recommender.config.log_format import LogFormat
from larder_training.reporting.counts import counted
from larder_training.reporting.progress import Progress

_LISTED: Final = 30  # labels in the table, the worst first
_BY_LABEL: Final = {"precision": "precision", "recall": "recall", "f1": "F1"}
_SHOWN: Final = ("recall@20", "ndcg@20", "mrr@25", "hit_rate@10")


@click.command("evaluate")
@click.argument("release")
@click.option(
    "--images",
    type=source,
    help="Labelled images to evaluate a classifier on: a folder or a list, local or at s3://. Of a split, the test "
    "part.",
)
@list_options
@click.option(
    "--interactions",
    type=source,
    multiple=True,
    help="Later interactions to evaluate a recommender on: a file, a folder or an s3:// URL.",
)
@click.option("--history", type=source, multiple=True, help="The users' interactions before those of --interactions.")
@click.option(
    "--columns",
    multiple=True,
    metavar="COLUMN=NAME,...",
    help="Names of columns: of interactions (USER_ID=userId) or of a list of images (path=file,label=breed).",
)
@time_format_option
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the whole evaluation as JSON.")
def command(
    release: str,
    images: Path | str | None,
    interactions: tuple[Path | str, ...],
    history: tuple[Path | str, ...],
    columns: tuple[str, ...],
    time_format: str | None,
    store: str | None,
    *,
    as_json: bool,
    **lists: Any,  # noqa: ANN401 - click passes what it parsed
) -> None:
    """Evaluate RELEASE on held-out data: --images for a classifier, --interactions for a recommender.

    RELEASE is a release folder, or the name of a model, which selects its live release, or else its newest release in
    .larder/releases.
    """
    if (images is None) != bool(interactions):
        raise click.UsageError("Give --images for a classifier, or --interactions for a recommender.")
    if history and not interactions:
        raise click.UsageError("--history needs --interactions.")
    from larder_local.releases import named  # obstore is slow to import: --help does without it

    workspace = Workspace.current()
    found = named.live_or_newest(release, workspace, store or workspace.store)
    path = found.announce()
    evaluation = (
        _evaluate_classifier(path, images, {**lists, "columns": parse_roles(columns)}, Progress(quiet=as_json))
        if images
        else _evaluate_recommender(path, interactions, history, LogFormat(parse_columns(columns), time_format))
    )
    if as_json:
        click.echo(json.dumps(evaluation, ensure_ascii=False, indent=2))
        return
    printed = _print_multi_label if evaluation.get("multi_label") else _print_classifier
    printed(evaluation) if images else _print_recommender(evaluation)
    click.echo(f"\nEvaluated {evaluation['model']}/{evaluation['release']}. --json prints everything.")
    if (path / "report.html").is_file():
        click.echo(f"Report of its training: {path / 'report.html'}")
    if not found.live:
        click.echo(f"Next: larder publish {path}")


def _evaluate_classifier(
    release: Path, images: Path | str, lists: Mapping[str, Any], progress: Progress
) -> Mapping[str, Any]:
    from larder_training.classifier.evaluation.evaluate import evaluate

    return evaluate(release, images, **lists, progress=progress)


def _evaluate_recommender(
    release: Path, interactions: tuple[Path | str, ...], history: tuple[Path | str, ...], log_format: LogFormat
) -> Mapping[str, Any]:
    from larder_training.recommender.evaluation.evaluate import evaluate

    return evaluate(release, interactions, history or None, log_format)


def _print_classifier(evaluation: Mapping[str, Any]) -> None:
    labels = evaluation["labels"]
    most = max(labels, key=lambda row: row["photos"])
    low, high = evaluation["accuracy_interval_95"]
    unknown = evaluation["unknown"]
    rows = [
        ["accuracy", _percent(evaluation["accuracy"]), f"{_percent(low)} to {_percent(high)}"],
        [f"baseline: always {most['label']!r}", _percent(most["photos"] / evaluation["photos"]), ""],
        ["macro F1", _percent(evaluation["macro_f1"]), ""],
        ["calibration error", _percent(evaluation["expected_calibration_error"]), ""],
        ["known images flagged unknown", _percent(unknown["known_flagged"]), ""],
        ["images of other labels flagged", _percent(unknown["foreign_flagged"]), ""],
    ]
    _print_values(evaluation, rows)
    _print_labels(evaluation, _BY_LABEL)
    others = ("other label, which the release does not have", "other labels, which the release does not have")
    if evaluation["foreign_labels"]:
        click.echo(f"{counted(len(evaluation['foreign_labels']), *others)}: see --json")


def _print_multi_label(evaluation: Mapping[str, Any]) -> None:
    names = {"micro_f1": "micro F1", "map": "mean average precision", "macro_f1": "macro F1"}
    rows = []
    for metric, name in (*names.items(), ("subset_accuracy", "all labels right")):
        low, high = evaluation[f"{metric}_interval_95"]
        rows.append([name, _percent(evaluation[metric]), f"{_percent(low)} to {_percent(high)}"])
    rows.append(["wrong decisions (Hamming loss)", _percent(evaluation["hamming_loss"]), ""])
    rows.append(["calibration error", _percent(evaluation["expected_calibration_error"]), ""])
    rows.append(["images flagged unknown", _percent(evaluation["unknown"]["known_flagged"]), ""])
    _print_values(evaluation, rows)
    _print_labels(evaluation, {**_BY_LABEL, "average_precision": "average precision"})
    if others := evaluation["foreign_labels"]:
        labels = counted(len(others), "other label", "other labels")
        click.echo(f"{labels}, which the release does not have, left out: see --json")


def _print_values(evaluation: Mapping[str, Any], rows: Sequence[Sequence[str]]) -> None:
    """The metrics of all images."""
    of_part = f" of the {evaluation['part']} part" if evaluation["part"] else ""
    print_table(
        [f"{counted(evaluation['photos'], 'image')}{of_part}", "value", "95 % interval"], rows, right=("value",)
    )


def _print_labels(evaluation: Mapping[str, Any], metrics: Mapping[str, str]) -> None:
    """The metrics, by name in the evaluation and title, of each label, the worst first; then what was left out."""
    present = sorted((row for row in evaluation["labels"] if row["photos"]), key=lambda row: (row["f1"], row["label"]))
    click.echo()
    print_table(
        ["label", "images", *metrics.values()],
        [[row["label"], f"{row['photos']:,}", *(_percent(row[name]) for name in metrics)] for row in present[:_LISTED]],
        right=("images", *metrics.values()),
    )
    if len(present) > _LISTED:
        click.echo(f"... and {len(present) - _LISTED} better labels.")
    if evaluation["bad_files"]:
        click.echo(f"{counted(len(evaluation['bad_files']), 'bad file')}: see --json")


def _print_recommender(evaluation: Mapping[str, Any]) -> None:
    _print_metrics(f"{evaluation['users']:,} users", evaluation)
    sessions = evaluation.get("sessions")
    if sessions:
        click.echo("\nThe second half of each user's latest session, given the first:")
        _print_metrics(f"{sessions['users']:,} users", sessions)
    counts = evaluation["events"]
    left_out = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items() if count)
    click.echo(f"\nEvents: {left_out}")


def _print_metrics(users: str, section: Mapping[str, Any]) -> None:
    """The metrics of the release beside the best baseline by the first of them."""
    metrics = section["metrics"]
    shown = [name for name in _SHOWN if name in metrics]
    if not shown:
        click.echo(f"{users}: there is nothing to evaluate.")
        return
    baselines = section["baselines"]
    best = max(baselines, key=lambda name: baselines[name][shown[0]]["mean"])
    rows = []
    for name in shown:
        other = baselines[best][name]
        low, high = metrics[name]["interval"]
        ratio = other.get("ratio")
        times = f"{ratio['mean']:.2f} ({ratio['interval'][0]:.2f} to {ratio['interval'][1]:.2f})" if ratio else "-"
        rows.append([name, f"{metrics[name]['mean']:.4f}", f"{low:.4f} to {high:.4f}", f"{other['mean']:.4f}", times])
    baseline = best.replace("_", " ")
    print_table([users, "value", "95 % interval", baseline, "times as good"], rows, right=("value", baseline))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"

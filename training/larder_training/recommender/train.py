"""Trains a recommender: reads files, tunes, evaluates, fits to all events, and writes a release."""

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from larder.release.keys import check_model
from larder.release.manifest import PROBES
from larder.release.serving import RecommenderServing
from larder_training.recommender.artifacts.golden_requests import golden_requests, write_golden_requests
from larder_training.recommender.artifacts.tables import NO_NEW_USERS, NewUsers, write_tables
from larder_training.recommender.config.context import RecommenderContext
from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.columns.description import column_document
from larder_training.recommender.dataset import Dataset, read_dataset
from larder_training.recommender.ensemble.fitted import FittedEnsemble
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters
from larder_training.recommender.evaluation.compare_release import last_event
from larder_training.recommender.evaluation.offline_test import Document
from larder_training.recommender.models.item_item import name_of
from larder_training.recommender.models.segment_popularity import Segments
from larder_training.recommender.pipeline import Pipeline
from larder_training.recommender.reports.examples import examples, popular_by_segment
from larder_training.recommender.reports.page import RecommenderReport, metrics_json
from larder_training.recommender.tuning.trial_store import TrialStore
from larder_training.recommender.tuning.trials import TRIALS, SearchBudget, TrialLog
from larder_training.release.writer import REPORT, provenance, write_release
from larder_training.reporting.progress import Progress

METRICS: Final = "metrics.json"


def train(options: RecommenderOptions, progress: Progress, command: str | None = None) -> Path:
    """Trains a recommender and returns its release folder, ``<options.out>/<release>``.

    The same input, seed, trials and versions give the same bytes of every file except the manifest and the report,
    which have times. An interrupted training leaves no release behind. What its search has evaluated is kept in
    ``options.cache``, and the same training goes on from there; the result is that of an uninterrupted one. ``command``
    is the command line that started the training, for the manifest and the report.

    Raises:
        InvalidRequest: The input or an option cannot be used; the message says what to do.
    """
    check_model(options.model)
    start = time.monotonic()
    data = read_dataset(options, progress)
    if options.compare_with is not None:
        last_event(options.compare_with, data.log)  # fails early if the release cannot be compared
    pipeline = Pipeline(data, RecommenderContext(options, progress))
    trials = TrialLog(SearchBudget.of(options), store=TrialStore.of(options, data.inputs))
    params = pipeline.tune(trials)
    evaluation = {"split": _split(pipeline), **pipeline.evaluate(params)}
    fitted = pipeline.fit(data.log.end, params, "Fitting to all events")
    options.out.mkdir(parents=True, exist_ok=True)
    training = _training(data, fitted.hyperparameters, trials, options)
    training |= provenance(options.seed, command, progress.warnings)
    training["seconds"] = round(time.monotonic() - start, 1)
    with TemporaryDirectory(prefix=".training-", dir=options.out) as scratch:
        sections = {"evaluation": evaluation, "training": training}
        release = _write_release(Path(scratch), pipeline, fitted, trials, sections)
    trials.store.remove()
    return release


def _write_release(
    folder: Path, pipeline: Pipeline, fitted: FittedEnsemble, trials: TrialLog, sections: Mapping[str, Document]
) -> Path:
    """Writes all files into ``folder`` and the release into ``options.out``, with these sections of the manifest."""
    data, options = pipeline.data, pipeline.context.options
    segments = data.segments(data.log)
    serving = _write_tables(folder, data, fitted, segments, options)
    (folder / METRICS).write_bytes(metrics_json(sections["evaluation"]))
    (folder / TRIALS).write_bytes(trials.jsonl())
    report = RecommenderReport(
        examples(folder, serving, data.log), popular_by_segment(folder, serving, segments), trials
    )
    return write_release(
        options.out,
        model=options.model,
        kind="recommender",
        serving=serving,
        files={REPORT: report.html, **{name: folder / name for name in (*serving.files, PROBES, METRICS, TRIALS)}},
        evaluation=sections["evaluation"],
        training=sections["training"],
        structure=_structure(serving, fitted),
        created=options.created,
    )


def _write_tables(
    folder: Path, data: Dataset, fitted: FittedEnsemble, segments: Segments, options: RecommenderOptions
) -> RecommenderServing:
    """Writes the tables and the golden requests."""
    new_users = _new_users(data, segments)
    profile = data.profiles.specification if data.profiles else {}
    serving = write_tables(
        folder,
        data.log,
        fitted,
        segments,
        columns=data.columns,
        profile=profile,
        new_users=new_users,
        history=data.history,
        profiles=data.profiles,
    )
    requests = golden_requests(data.log, data.profiles, new_users.ids, options.seed)
    write_golden_requests(folder, PROBES, serving, requests)
    return serving


def _new_users(data: Dataset, segments: Segments) -> NewUsers:
    if data.profiles is None:
        return NO_NEW_USERS
    known = set(data.log.users)
    rows = [row for row, user in enumerate(data.profiles.users) if user not in known]
    return NewUsers([data.profiles.users[row] for row in rows], segments.of_profile[rows])


def _training(data: Dataset, params: Hyperparameters, trials: TrialLog, options: RecommenderOptions) -> Document:
    log = data.log
    return {
        "learner": "an item-item matrix, with the components and the reranker of hyperparameters",
        "hyperparameters": {
            **asdict(replace(params, event_weights={}, components={})),
            "matrix": {"learner": name_of(params.matrix), **asdict(params.matrix)},
            "event_weights": dict(params.event_weights),
            "components": dict(params.components),
        },
        "order": options.order,
        "event_thresholds": dict(options.event_thresholds),
        "signals": {**asdict(replace(options.feedback, scales={})), "scales": dict(options.event_values)},
        "trials": trials.document(),
        "data": {
            "inputs": dict(data.inputs),
            "users": len(log.users),
            "items": len(log.items),
            "notices": list(data.notices),
            "event_types": {name: int((log.event == code).sum()) for code, name in enumerate(log.events)},
            **_period(data, options),
            **{
                name: {
                    "rows": table.rows,
                    "dropped": table.dropped,
                    "duplicates": table.duplicates,
                    "columns": column_document(table),
                }
                for name, table in (("item_file", data.items), ("user_file", data.users))
                if table is not None
            },
        },
    }


def _period(data: Dataset, options: RecommenderOptions) -> Document:
    """First and last time of the log, and the audit; without times, only the audit of the rows."""
    if options.order != "time":
        return {"audit": data.counts.document()}
    return {
        "first": int(data.log.time[0]),
        "last": int(data.log.time[-1]),
        "audit": {**data.counts.document(), **data.summary.document()},
    }


def _split(pipeline: Pipeline) -> Document:
    """The split, for the manifest and the report."""
    order = pipeline.context.options.order
    if order == "time":
        return pipeline.split.document()
    drawn = "drawn at random" if order == "random" else "in the order of the file"
    periods = {"train": ["0 %", "80 %"], "validation": ["80 %", "90 %"], "test": ["90 %", "100 %"]}
    return {"method": f"shares of each user's interactions, {drawn}; full ranking of the catalogue", **periods}


def _structure(serving: RecommenderServing, fitted: FittedEnsemble) -> Document:
    return {
        "inputs": ["user", "session", "item", "profile"],
        "outputs": ["items"],
        "parameters": int(fitted.matrix.nnz),
        "rows": {
            "neighbours": serving.neighbours.rows,
            "users": serving.users.rows if serving.users else 0,
            "segments": serving.segments.rows,
            **({"interactions": serving.interactions.table.rows} if serving.interactions else {}),
            **({"profiles": serving.profiles.profiles} if serving.profiles else {}),
            **({"transitions": serving.transitions.rows} if serving.transitions else {}),
        },
    }

"""From files to a release folder: read, split, choose, measure, fit to everything, write."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder.errors import InvalidRequest
from larder.manifest import PROBES
from larder.names import check_model
from larder.serving import RecommenderServing
from larder_training.progress import Progress
from larder_training.recommender.against import last_event
from larder_training.recommender.audit import Findings, clean, look
from larder_training.recommender.baselines import choose_window
from larder_training.recommender.bench import Bench
from larder_training.recommender.catalogue import Column, Profiles, Table, align, profiles, read_table
from larder_training.recommender.files import Given, opened
from larder_training.recommender.folds import make_folds, thin
from larder_training.recommender.interactions import Audit, read_interactions
from larder_training.recommender.log import DAY, Log
from larder_training.recommender.measure import LIVE, Document, Examination
from larder_training.recommender.model import Choices, Fitted, fit
from larder_training.recommender.options import RecommenderOptions
from larder_training.recommender.outputs import FILES, write_tables
from larder_training.recommender.probes import questions, write_answers
from larder_training.recommender.report import metrics_json, report_html
from larder_training.recommender.reviews import review_texts
from larder_training.recommender.segments import Segments, segment_users
from larder_training.recommender.signals import with_signals
from larder_training.recommender.split import Split, known_users, temporal_split
from larder_training.recommender.stories import examples, popular_by_segment
from larder_training.recommender.tasks import next_items
from larder_training.recommender.trials import TRIALS, Budget, Trials
from larder_training.recommender.tuning import Tuner, choose_prior, start
from larder_training.release import provenance, write_release

REPORT: Final = "report.html"
METRICS: Final = "metrics.json"


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Everything that was read. ``rows`` int64 ``[users]``: each user's row in ``profiles``, -1 without one;
    ``columns`` are the catalogue's, in the order of ``log.items``. ``inputs`` identifies the files; ``reviews``
    ``[items]`` is what was written of each item, None where the log has no texts.
    """

    log: Log
    audit: Audit
    items: Table | None
    users: Table | None
    profiles: Profiles | None
    rows: NDArray[np.int64]
    columns: Mapping[str, Column]
    inputs: Mapping[str, object]
    findings: Findings
    reviews: Sequence[str | None] | None

    def segments(self, history: Log) -> Segments:
        """The segments that ``history`` has enough users for."""
        return segment_users(known_users(history), self.profiles, self.rows)

    def segment_of(self, segments: Segments) -> NDArray[np.int64]:
        """``[users]``: each user's most specific segment."""
        found = np.zeros(len(self.rows), np.int64)
        has = self.rows >= 0
        found[has] = segments.of_profile[self.rows[has]]
        return found


def train(options: RecommenderOptions, progress: Progress) -> Path:
    """Trains a release and returns its folder, ``<options.out>/<release>``.

    The same input, seed and versions give the same bytes of every file but the manifest, which tells the time. An
    interrupted training leaves nothing behind. Raises InvalidRequest where the input cannot be trained on.
    """
    check_model(options.model)
    began = time.monotonic()
    data = read(options, progress)
    if options.against is not None:
        last_event(options.against, data.log)  # before hours of work
    split = temporal_split(data.log)
    trials = Trials(Budget(options.minutes, options.trials))
    choices = _choose(data, split, options, progress, trials)
    evaluation = {"split": split.document(), **_measure(data, split, choices, options, progress)}
    fitted = _fit(data, data.log, data.log.end, choices, options, progress, "Fitting to all events")
    options.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".training-", dir=options.out) as scratch:
        folder = Path(scratch)
        segments = data.segments(data.log)
        serving = _write(folder, data, fitted, segments, options)
        training = _training(data, choices, trials, options)
        stories = (examples(folder, serving, data.log), popular_by_segment(folder, serving, segments))
        (folder / REPORT).write_bytes(report_html(options.model, evaluation, training, *stories, trials))
        (folder / METRICS).write_bytes(metrics_json(evaluation))
        (folder / TRIALS).write_bytes(trials.jsonl())
        training["seconds"] = round(time.monotonic() - began, 1)
        return write_release(
            options.out,
            model=options.model,
            kind="recommender",
            serving=serving,
            files={name: folder / name for name in (*FILES, PROBES, REPORT, METRICS, TRIALS)},
            evaluation=evaluation,
            training=training,
            structure=_structure(serving, fitted),
            created=options.created,
        )


def read(options: RecommenderOptions, progress: Progress) -> Data:
    """Reads and checks all input; raises InvalidRequest where it cannot be trained on."""
    inputs: dict[str, object] = {}
    items = _table(options.items, "ITEM_ID", "items", inputs, progress)
    users = _table(options.users, "USER_ID", "users", inputs, progress)
    with opened(options.interactions, progress) as files:
        log, audit = read_interactions(files, items.ids if items else None)
        reviews = review_texts(files, log.items)
        name, inputs["interactions"] = files.name, files.fingerprint()
    log, audit, _ = clean(log, audit, bots=options.bots == "drop")
    log = with_signals(log, options.signals)
    counted = _counted(log, options)
    absent = 0 if items is None else int(np.isin(log.item, _numbers(log.items, items.ids), invert=True).sum())
    audit = replace(
        audit, not_in_catalogue=absent, below_threshold=len(log) - int(counted.sum()), used=int(counted.sum())
    )
    log = log.where(counted)
    if len(np.unique(log.user)) < 2 or len(np.unique(log.item)) < 2:
        raise InvalidRequest(
            f"{name} has {len(log)} usable events of fewer than two users or two items: "
            "give a log in which users share items."
        )
    progress.say(f"{len(log)} events of {len(log.users)} users and {len(log.items)} items; {audit.dropped()}")
    found = profiles(users) if users else None
    place = {user: row for row, user in enumerate(found.users)} if found else {}
    rows = np.array([place.get(user, -1) for user in log.users], np.int64)
    columns = align(items, log.items)
    return Data(log, audit, items, users, found, rows, columns, inputs, look(log, items, users), reviews)


def _table(given: Given | None, key: str, name: str, inputs: dict[str, object], progress: Progress) -> Table | None:
    """A metadata input, and in ``inputs`` what identifies it."""
    if given is None:
        return None
    with opened(given, progress) as files:
        inputs[name] = files.fingerprint()
        return read_table(files, key)


def _counted(log: Log, options: RecommenderOptions) -> NDArray[np.bool_]:
    """Which events count: those of a type with a weight above 0, from their type's threshold up."""
    for name in (*options.event_weights, *options.event_thresholds):
        if name not in log.events:
            known = ", ".join(log.events)
            raise InvalidRequest(
                f"no event has the type {name!r}: the log's types are {known[:500]}. Name one of them."
            )
    counted = np.ones(len(log), bool)
    for name, weight in options.event_weights.items():
        if not weight:
            counted &= log.event != log.events.index(name)
    for name, threshold in options.event_thresholds.items():
        counted &= (log.event != log.events.index(name)) | (log.value >= threshold)
    return counted


def _numbers(known: Sequence[str], ids: Sequence[str]) -> NDArray[np.int64]:
    place = {item: number for number, item in enumerate(known)}
    return np.array([place[item] for item in ids if item in place], np.int64)


def _choose(data: Data, split: Split, options: RecommenderOptions, progress: Progress, trials: Trials) -> Choices:
    """By rolling-origin validation, on the events of some users where there are very many."""
    begin = start(options, (split.validation - split.start) / DAY)
    folds = make_folds(thin(data.log, options.seed), split, begin.session_length, options.seed)
    benches = [Bench(fold, data.columns, options.seed) for fold in folds]
    choices = Tuner(benches, options, progress, trials, begin).run()
    last = folds[-1]
    segments = data.segments(last.history)
    if len(segments.texts) > 1:
        choices = choose_prior(last, choices, segments, data.segment_of(segments), options.seed, trials)
    return choices


def _measure(data: Data, split: Split, choices: Choices, options: RecommenderOptions, progress: Progress) -> Document:
    """Fits to what was before the test period and measures on the test period; fits once more, to what the release that
    it shall be held against knew, where there is one.
    """
    earlier = data.log.between(split.start, split.validation)
    validation = next_items(earlier, data.log.between(split.validation, split.test)).sample(options.seed)

    def examine(now: int, title: str) -> Examination:
        history = data.log.between(split.start, now)
        fitted = _fit(data, history, now, choices, options, progress, title)
        hidden = None if choices.repeats else fitted.seen
        segments = data.segments(history)
        window = choose_window(earlier, split.validation, validation, hidden)
        period = data.log.between(now, split.end)
        return Examination(history, now, period, fitted, segments, data.segment_of(segments), window, options.seed)

    found = examine(split.test, "Fitting before the test period").document()
    if options.against is None:
        return found
    now = last_event(options.against, data.log) + 1
    beside = examine(now, "Fitting to what the release before knew").beside(options.against)
    return {**found, LIVE: beside}


def _fit(
    data: Data, log: Log, now: int, choices: Choices, options: RecommenderOptions, progress: Progress, title: str
) -> Fitted:
    with progress.task(title, len(log.items)) as advance:
        return fit(log, now, choices, advance, data.columns, options.seed)


def _write(
    folder: Path, data: Data, fitted: Fitted, segments: Segments, options: RecommenderOptions
) -> RecommenderServing:
    """Tables and probes."""
    newcomers: list[str] = []
    of_profile = np.zeros(0, np.int64)
    if data.profiles is not None:
        known = set(data.log.users)
        places = [row for row, user in enumerate(data.profiles.users) if user not in known]
        newcomers = [data.profiles.users[row] for row in places]
        of_profile = segments.of_profile[places]
    specification = data.profiles.specification if data.profiles else {}
    serving = write_tables(folder, data.log, fitted, data.columns, segments, (newcomers, of_profile), specification)
    write_answers(folder, PROBES, serving, questions(data.log, data.profiles, newcomers, options.seed))
    return serving


def _training(data: Data, choices: Choices, trials: Trials, options: RecommenderOptions) -> Document:
    log = data.log
    return {
        **provenance(options.seed),
        "learner": "linear item-item model: ridge regression of each item on its most co-occurring items",
        "choices": {
            **asdict(replace(choices, event_weights={}, sources={})),
            "event_weights": dict(choices.event_weights),
            "sources": dict(choices.sources),
        },
        "event_thresholds": dict(options.event_thresholds),
        "signals": {**asdict(replace(options.signals, scales={})), "scales": dict(options.event_values)},
        "trials": trials.document(),
        "data": {
            "inputs": dict(data.inputs),
            "users": len(log.users),
            "items": len(log.items),
            "event_types": {name: int((log.event == code).sum()) for code, name in enumerate(log.events)},
            "first": int(log.time[0]),
            "last": int(log.time[-1]),
            "audit": {**data.audit.document(), **data.findings.document()},
            **{
                name: {"rows": each.rows, "dropped": each.dropped, "duplicates": each.duplicates}
                for name, each in (("item_file", data.items), ("user_file", data.users))
                if each is not None
            },
        },
    }


def _structure(serving: RecommenderServing, fitted: Fitted) -> Document:
    return {
        "inputs": ["user", "session", "item", "profile"],
        "outputs": ["items"],
        "parameters": int(fitted.linear.nnz),
        "rows": {
            "neighbours": serving.neighbours.rows,
            "users": serving.users.rows if serving.users else 0,
            "segments": serving.segments.rows,
        },
    }

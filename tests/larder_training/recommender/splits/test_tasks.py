from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np

from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.splits.tasks import Task, join, next_items, of_event, rest_of_session, unseen
from larder_training.recommender.splits.time_split import temporal_split

MakeLog = Callable[..., EventLog]


def truth_of(task: Task, log: EventLog) -> dict[str, set[str]]:
    rows = task.truth.toarray()
    return {
        log.users[int(user)]: {log.items[int(i)] for i in np.flatnonzero(row)}
        for user, row in zip(task.users, rows, strict=True)
    }


def test_the_split_has_one_cutoff_for_all_users(small_log: EventLog) -> None:
    split = temporal_split(small_log)
    assert (split.start, split.validation, split.test, split.end) == (0, 8 * DAY, 10 * DAY, 10 * DAY + 1)
    parts = [
        small_log.between(*edges)
        for edges in ((0, split.validation), (split.validation, split.test), (split.test, split.end))
    ]
    assert [len(part) for part in parts] == [5, 1, 1]


def test_a_long_log_is_split_at_midnight(make_log: MakeLog) -> None:
    log = make_log([("u", f"i{n}", n * DAY // 2 + 40_000, "view") for n in range(200)])
    split = temporal_split(log)
    assert split.validation % DAY == split.test % DAY == 0
    document = split.document()
    assert document["test"] == ["1970-04-01T00:00:00Z", f"{datetime.fromtimestamp(split.end, UTC):%Y-%m-%dT%H:%M:%SZ}"]


def test_next_items_of_known_and_of_new_users(small_log: EventLog) -> None:
    history, period = small_log.between(0, 5 * DAY), small_log.between(5 * DAY, 11 * DAY)
    assert truth_of(next_items(history, period), small_log) == {"ann": {"c"}}
    new = next_items(history, period, known=False)
    assert truth_of(new, small_log) == {"bob": {"b", "c"}, "cid": {"d"}}
    both = join(next_items(history, period), new)
    assert truth_of(both, small_log) == {"ann": {"c"}, "bob": {"b", "c"}, "cid": {"d"}}
    assert truth_of(of_event(both, period, "pay"), small_log) == {"cid": {"d"}}


def test_unseen_omits_items_of_the_history(make_log: MakeLog) -> None:
    log = make_log([("u", "a", 0, "x"), ("v", "b", 0, "x"), ("u", "a", 9, "x"), ("u", "b", 9, "x"), ("v", "b", 9, "x")])
    task = next_items(log.between(0, 5), log.between(5, 10))
    assert truth_of(unseen(task, log.between(0, 5)), log) == {"u": {"b"}}


def test_the_second_half_of_a_session_is_relevant(make_log: MakeLog) -> None:
    rows = [("u", item, second, "view") for second, item in enumerate("abcbd")]  # first half a b c, rest b d
    rows += [("u", "z", 10_000, "view")]  # a later session without relevant items
    rows += [("v", "a", 0, "view"), ("v", "a", 1, "view")]
    log = make_log(rows)
    task = rest_of_session(log, 2)
    assert truth_of(task, log) == {"u": {"d"}}
    assert [[log.items[item] for item in session] for session in task.sessions] == [["c", "b"]]


def test_an_empty_period_gives_an_empty_task(small_log: EventLog) -> None:
    nothing = small_log.between(3, 4)
    assert rest_of_session(nothing, 5).users.tolist() == []
    assert next_items(small_log, nothing).users.tolist() == []


def test_a_sample_is_reproducible(small_log: EventLog) -> None:
    task = next_items(small_log, small_log)
    assert task.sample(1, 2).users.tolist() == task.sample(1, 2).users.tolist()
    assert len(task.sample(1, 2).users) == 2

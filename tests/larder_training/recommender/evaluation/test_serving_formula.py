"""The serving formula for many users at once gives the lists that the function returns, request by request."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from tests.paths import EVENTS

from larder.recommender import RECOMMEND, read_query
from larder.release.keys import file_key, pointer_key
from larder.release.pointer import Pointer, dump_pointer
from larder.release.serving import RecommenderServing
from larder_training.datasets.synthetic_shop import generate
from larder_training.recommender.artifacts.golden_requests import golden_requests, write_golden_requests
from larder_training.recommender.artifacts.tables import write_tables
from larder_training.recommender.data.event_log import EventLog, known_users
from larder_training.recommender.data.interactions import read_interactions
from larder_training.recommender.ensemble.fitted import FittedEnsemble, fit
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters
from larder_training.recommender.evaluation.serving_formula import (
    ServingFormula,
    recommendations,
    segment_row,
    session_matrix,
)
from larder_training.recommender.models.segment_popularity import segment_users
from larder_training.recommender.splits.tasks import Task
from larder_training.release.loader import open_tables
from larder_training.release.writer import write_release
from recommend import app

EVENT = EVENTS / "recommend/recommend_by_body.json"
USERS, SESSIONS, N = 1000, 400, 25
PARAMS = replace(
    Hyperparameters(),
    half_life_days=20.0,
    session_weight=0.7,
    session_decay=0.85,
    segment_weight=0.1,
    session_length=12,
)


@dataclass(frozen=True, eq=False)
class World:
    """A log of more than ``USERS`` users, a model of it, and co-visitation ``followed``."""

    log: EventLog
    fitted: FittedEnsemble
    followed: sp.csr_array

    def models(self) -> dict[str, FittedEnsemble]:
        """The model without transitions and revisits, with either, and with both."""
        transitions = replace(PARAMS, transition_weight=0.9, transition_decay=0.3)
        both = replace(transitions, revisit_weight=0.4, revisit_decay=0.7)
        return {
            "neighbours alone": self.fitted,
            "transitions": replace(self.fitted, hyperparameters=transitions, transitions=self.followed),
            "revisits": replace(self.fitted, hyperparameters=replace(PARAMS, revisit_weight=0.4, revisit_decay=0.7)),
            "both": replace(self.fitted, hyperparameters=both, transitions=self.followed),
        }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    files = generate(tmp_path_factory.mktemp("shop"), users=USERS + 200, items=150, days=40, seed=5)
    log, _ = read_interactions(files.interactions)
    order = np.lexsort((log.time, log.user))
    user, item = log.user[order], log.item[order]
    pairs = (user[1:] == user[:-1]) & (item[1:] != item[:-1])
    shape = (len(log.items), len(log.items))
    counts = sp.coo_array((np.ones(pairs.sum()), (item[:-1][pairs], item[1:][pairs])), shape=shape).tocsr()
    shares = sp.diags_array(1 / np.maximum(counts.sum(axis=1), 1)) @ counts
    return World(log, fit(log, log.end, PARAMS), shares.tocsr())


def random_tasks(world: World, seed: int) -> tuple[Task, Task]:
    """``USERS`` known users without a session; and ``SESSIONS`` users with up to 20 events, with repeated items."""
    random = np.random.default_rng(seed)
    users = np.sort(random.choice(np.flatnonzero(known_users(world.log)), USERS, replace=False))
    with_session = np.sort(random.choice(users, SESSIONS, replace=False))
    sessions = tuple(tuple(random.choice(world.log.item, random.integers(1, 21)).tolist()) for _ in with_session)
    no_truth = sp.csr_array((USERS, len(world.log.items)), dtype=bool)
    return Task(users, no_truth, ((),) * USERS), Task(with_session, no_truth[:SESSIONS], sessions)


def write(world: World, fitted: FittedEnsemble, folder: Path) -> RecommenderServing:
    """Writes the tables and golden requests."""
    segments = segment_users(known_users(world.log), None, None)
    serving = write_tables(folder, world.log, fitted, segments)
    write_golden_requests(folder, "probes.safetensors", serving, golden_requests(world.log, None, [], seed=0))
    return serving


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the function's store."""
    settings = {"STORE": (tmp_path / "store").as_uri(), "CACHE_DIR": str(tmp_path / "cache"), "AUTHORIZATION": "NONE"}
    for name, value in {**settings, "CACHE_BYTES": "1000000", "REFRESH_SECONDS": "300", "MAX_PIXELS": "1"}.items():
        monkeypatch.setenv(f"LARDER_{name}", value)
    app.service.reset()
    yield tmp_path / "store"
    app.service.reset()


def publish(world: World, fitted: FittedEnsemble, store: Path) -> None:
    tables = store.parent / "tables"
    tables.mkdir()
    serving = write(world, fitted, tables)
    release = write_release(
        store.parent / "releases",
        model="shop",
        kind="recommender",
        serving=serving,
        files={name: tables / name for name in (*serving.files, "probes.safetensors")},
        evaluation={},
        training={},
        structure={},
    )
    shutil.copytree(release, store / Path(file_key("shop", release.name, "manifest.json")).parent)
    (store / pointer_key("shop")).write_bytes(dump_pointer(Pointer(stable=release.name)))


def recommend(**body: object) -> list[str]:
    event = json.loads(EVENT.read_text()) | {"body": json.dumps(body)}
    answer = app.handler(event, None)
    assert answer["statusCode"] == 200, answer
    return [item["id"] for item in json.loads(answer["body"])["items"]]


def formula_lists(fitted: FittedEnsemble, task: Task) -> NDArray[np.int64]:
    return recommendations(ServingFormula.of(fitted, task.users), fitted.hyperparameters, task, N)


@pytest.mark.parametrize(
    "case",
    ["both", *(pytest.param(name, marks=pytest.mark.slow) for name in ("neighbours alone", "transitions", "revisits"))],
)
def test_the_function_returns_the_evaluated_lists(world: World, store: Path, case: str) -> None:
    # GIVEN a release with these tables and weights
    fitted = world.models()[case]
    publish(world, fitted, store)
    formula = ServingFormula.of(fitted, np.arange(len(world.log.users)))
    users, items = world.log.users, world.log.items
    for task in random_tasks(world, seed=1):
        # WHEN it is requested for each of 1,000 users, and for 400 users with a session
        expected = recommendations(formula, fitted.hyperparameters, task, N)
        for user, session, row in zip(task.users, task.sessions, expected, strict=True):
            clicked = [items[item] for item in reversed(session)]
            answer = recommend(user=users[user], session=clicked, n=N)
            # THEN it returns the list that metrics are computed from
            assert answer == [items[item] for item in row]
            assert len(answer) == N


def test_transitions_and_revisits_change_the_lists(world: World) -> None:
    """THEN the cases above are four different tests."""
    _, task = random_tasks(world, seed=1)
    lists = [formula_lists(fitted, task) for fitted in world.models().values()]
    assert len({ranking.tobytes() for ranking in lists}) == 4


def test_transitions_and_revisits_do_not_change_lists_without_a_session(world: World) -> None:
    task, _ = random_tasks(world, seed=2)
    assert np.array_equal(formula_lists(world.fitted, task), formula_lists(world.models()["both"], task))


def test_a_manifest_states_only_the_weights_that_are_used(world: World, tmp_path: Path) -> None:
    weights_of = {}
    for number, (name, fitted) in enumerate(world.models().items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        serving = write(world, fitted, folder)
        assert {path.name for path in folder.iterdir()} == {*serving.files, "probes.safetensors"}
        weights = {key: value for key, value in serving.weights.items() if key not in {"user", "session", "segment"}}
        weights_of[name] = (weights, serving.transition_decay, serving.revisit_decay)
    assert weights_of == {
        "neighbours alone": ({}, 1.0, 1.0),
        "transitions": ({"transition": 0.9}, 0.3, 1.0),
        "revisits": ({"revisit": 0.4}, 1.0, 0.7),
        "both": ({"transition": 0.9, "revisit": 0.4}, 0.3, 0.7),
    }


def test_golden_requests_use_transitions(world: World, tmp_path: Path) -> None:
    """GIVEN a release with other transitions THEN a golden request fails."""
    fitted = world.models()["transitions"]
    serving = write(world, fitted, tmp_path)
    recommender, other = open_tables(tmp_path, serving), tmp_path / "other"
    other.mkdir()
    backwards = replace(fitted, transitions=world.followed[::-1].tocsr())
    reversed_tables = open_tables(other, write(world, backwards, other))
    queries = [read_query(request, RECOMMEND) for request in golden_requests(world.log, None, [], seed=0)]
    assert any(recommender.recommend(query).ids() != reversed_tables.recommend(query).ids() for query in queries)


def test_older_items_of_a_session_have_less_weight() -> None:
    task = Task(np.arange(3), sp.csr_array((3, 4), dtype=bool), ((2, 0, 2), (), (1,)))
    matrix = session_matrix(task, [(2.0, 0.5), (1.0, 0.0)], 2, 4)
    assert matrix.toarray().tolist() == [[1, 0, 2, 0, 0, 0, 1, 0], [0] * 8, [0, 2, 0, 0, 0, 1, 0, 0]]
    assert matrix.indices.tolist() == [2, 0, 6, 4, 1, 5]
    assert session_matrix(task, [(1.0, 1.0)], None, 4).toarray().tolist() == [[1, 0, 2, 0], [0] * 4, [0, 1, 0, 0]]


def test_a_segment_s_row_is_cut_at_its_last_slot() -> None:
    row = segment_row(np.linspace(1.0, 0.1, 1000))
    assert np.count_nonzero(row) == 600
    assert row[599] > 0
    assert row[601] == 0

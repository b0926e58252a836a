"""Golden requests of a release, with the responses of the serving code on its tables."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from larder.recommender import RECOMMEND, read_query
from larder.release.serving import RecommenderServing
from larder_training.recommender.data.columns.profiles import Profiles
from larder_training.recommender.data.event_log import EventLog
from larder_training.release.loader import open_tables
from larder_training.release.tables import write_probes

COUNT: Final = 24
Body = dict[str, object]


def golden_requests(log: EventLog, profiles: Profiles | None, new_users: Sequence[str], seed: int) -> list[Body]:
    """``COUNT`` bodies of ``POST .../recommend`` that read every table: users, new users, sessions, items, profiles."""
    random = np.random.default_rng(seed)
    users = random.choice(len(log.users), 8)
    items = random.choice(log.item, (COUNT, 3))
    bodies: list[Body] = [{"user": log.users[user], "n": 10} for user in users]
    for row, user in zip(items[:4], users[4:], strict=True):
        bodies.append({"user": log.users[user], "session": [log.items[item] for item in row], "n": 10})
    for size, row in zip((1, 2, 3, 3), items[4:8], strict=True):
        bodies.append({"session": [log.items[item] for item in row[:size]], "n": 10, "include_seen": size == 3})
    bodies += [{"item": log.items[row[0]], "n": 5} for row in items[8:10]]
    bodies += [{"user": user, "n": 10} for user in new_users[:2]]
    if profiles is not None:
        bodies += [{"profile": _segment_columns(profiles, row), "n": 10} for row in range(min(2, len(profiles.users)))]
    bodies.append({"n": 25})
    remaining = items[10 : 10 + COUNT - len(bodies)]
    return bodies + [{"item": log.items[row[0]], "session": [log.items[row[1]]], "n": 10} for row in remaining]


def write_golden_requests(folder: Path, name: str, serving: RecommenderServing, bodies: Sequence[Body]) -> None:
    """Answers the requests from the tables in ``folder``, and writes the file ``name`` next to them."""
    recommender = open_tables(folder, serving)
    columns = set(serving.profile)
    requests, answers = [], []
    for body in bodies:
        document = _with_known_columns(body, columns)
        answers.append(json.dumps(recommender.recommend(read_query(document, RECOMMEND)).ids()))
        requests.append(json.dumps(document, sort_keys=True).encode())
    write_probes(folder / name, requests, answer=answers)


def _segment_columns(profiles: Profiles, row: int) -> Body:
    return {name: value for name, value in profiles.profile(row).items() if name in profiles.specification}


def _with_known_columns(body: Body, columns: set[str]) -> Body:
    """Without profile columns that no segment of this release uses: serving rejects requests that have them."""
    profile = body.get("profile")
    if not isinstance(profile, dict):
        return body
    return {**body, "profile": {name: value for name, value in profile.items() if name in columns}}

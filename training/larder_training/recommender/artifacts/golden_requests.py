"""Golden questions: what the formula release must answer, computed by the serving code on the tables as written."""

import json
from pathlib import Path
from typing import Final

import numpy as np

from larder.recommender import RECOMMEND, read_query
from larder.release.serving import RecommenderServing
from larder_training.recommender.data.event_log import Log
from larder_training.recommender.data.metadata import Profiles
from larder_training.release.loader import open_tables
from larder_training.release.tables import write_probes

COUNT: Final = 24


def questions(log: Log, profiles: Profiles | None, new_users: list[str], seed: int) -> list[dict[str, object]]:
    """``COUNT`` bodies of ``POST .../recommend`` that touch every table: users, new_users, sessions, profiles."""
    random = np.random.default_rng(seed)
    users = random.choice(len(log.users), 8)
    clicked = random.choice(log.item, (COUNT, 3))
    asked: list[dict[str, object]] = [{"user": log.users[user], "n": 10} for user in users]
    for row, user in zip(clicked[:4], users[4:], strict=True):
        asked.append({"user": log.users[user], "session": [log.items[item] for item in row], "n": 10})
    for size, row in zip((1, 2, 3, 3), clicked[4:8], strict=True):
        asked.append({"session": [log.items[item] for item in row[:size]], "n": 10, "include_seen": size == 3})
    asked += [{"item": log.items[row[0]], "n": 5} for row in clicked[8:10]]
    asked += [{"user": user, "n": 10} for user in new_users[:2]]
    if profiles is not None:
        asked += [{"profile": _segmenting(profiles, row), "n": 10} for row in range(min(2, len(profiles.users)))]
    asked.append({"n": 25})
    left = clicked[10 : 10 + COUNT - len(asked)]
    return asked + [{"item": log.items[row[0]], "session": [log.items[row[1]]], "n": 10} for row in left]


def write_answers(folder: Path, name: str, serving: RecommenderServing, asked: list[dict[str, object]]) -> None:
    """Asks the tables in ``folder`` and writes the probes file beside them."""
    recommender = open_tables(folder, serving)
    known = set(serving.profile)
    requests, answers = [], []
    for question in asked:
        document = _known(question, known)
        answers.append(json.dumps(recommender.recommend(read_query(document, RECOMMEND)).ids()))
        requests.append(json.dumps(document, sort_keys=True).encode())
    write_probes(folder / name, requests, answer=answers)


def _segmenting(profiles: Profiles, row: int) -> dict[str, object]:
    return {name: value for name, value in profiles.profile(row).items() if name in profiles.specification}


def _known(question: dict[str, object], columns: set[str]) -> dict[str, object]:
    """Leaves out profile columns that make no segment in this release: a request that names them is refused."""
    profile = question.get("profile")
    if not isinstance(profile, dict):
        return question
    return {**question, "profile": {name: value for name, value in profile.items() if name in columns}}

import numpy as np
import pytest
from tests.larder_training.recommender.models.test_models import toy

from larder_training.recommender.data import event_log as module
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.feedback import dwell_seconds
from larder_training.recommender.data.interaction_matrix import presence_matrix


@pytest.mark.parametrize("events", [1, 7, 50, 10_000])
def test_blocks_have_every_event_once_and_whole_users(events: int) -> None:
    log = toy()
    blocks = list(log.blocks(events))
    assert sorted(np.concatenate(blocks).tolist()) == list(range(len(log)))
    owners = [set(log.user[rows].tolist()) for rows in blocks]
    assert sum(map(len, owners)) == len(set(log.user.tolist()))
    for rows, users in zip(blocks, owners, strict=True):
        assert len(users) <= 1 or len(rows) <= events
        assert (np.diff(rows) > 0).all()


def test_blocks_give_the_result_of_the_whole_log(monkeypatch: pytest.MonkeyPatch) -> None:
    log = toy()
    strengths = np.random.default_rng(0).normal(size=len(log))
    whole, dwell = presence_matrix(log, strengths), dwell_seconds(log)
    blocks = EventLog.blocks
    monkeypatch.setattr(module.EventLog, "blocks", lambda self: blocks(self, 9))
    assert presence_matrix(log, strengths).toarray().tolist() == whole.toarray().tolist()
    assert dwell_seconds(log).tobytes() == dwell.tobytes()


def test_an_empty_log_is_one_empty_block() -> None:
    log = toy()
    nothing = log.between(0, 0)
    assert [rows.tolist() for rows in nothing.blocks()] == [[]]
    assert presence_matrix(nothing, np.zeros(0)).nnz == 0

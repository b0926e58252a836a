"""Without a terminal, progress goes to the log; with ``quiet``, nowhere."""

import logging
import sys
from types import SimpleNamespace

import pytest

from larder_training.reporting.progress import Progress, duration


def test_lines_go_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "larder"), Progress().task("Reading", 10) as advance:
        advance(4)
        advance(6)
    assert caplog.messages == ["Reading 10/10"]


def test_quiet_says_nothing(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(quiet=True)
    with caplog.at_level(logging.INFO, "larder"), progress.task("Reading", 1) as advance:
        advance(1)
    progress.say("done")
    assert caplog.messages == []
    assert capsys.readouterr() == ("", "")


def test_a_notebook_shows_lines(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a process that is the kernel of a notebook
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    # WHEN
    with caplog.at_level(logging.INFO, "larder"), Progress().task("Reading", 10) as advance:
        advance(10)
    # THEN
    assert capsys.readouterr().out == "Reading 10/10\n"
    assert caplog.messages == []


def test_a_line_has_title_count_time_left_and_metric(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a clock on which each trial takes 20 seconds
    now = [0.0]
    monkeypatch.setattr("larder_training.reporting.progress.time.monotonic", lambda: now[0])
    with caplog.at_level(logging.INFO, "larder"), Progress().task("Searching hyperparameters", 80) as advance:
        for note, limit in (("best ndcg@20 0.2741", None), ("best ndcg@20 0.2812", 100.0)):
            now[0] += 20
            advance(1, note, seconds_left=limit)
        now[0] += 20
        advance(1, total=3)  # the search ends early
    # THEN the time left follows from the rate, or from the limit if that ends earlier
    assert caplog.messages == [
        "Searching hyperparameters 1/80, 26 min left, best ndcg@20 0.2741",
        "Searching hyperparameters 2/80, 2 min left, best ndcg@20 0.2812",
        "Searching hyperparameters 3/3, best ndcg@20 0.2812",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (59.6, "60 s"), (91, "2 min"), (5399, "1 h 30 min"), (7500, "2 h 5 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text

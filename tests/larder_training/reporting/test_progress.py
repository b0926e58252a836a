"""Without a terminal, progress goes to the log; with ``quiet``, nowhere."""

import logging
import sys
from types import SimpleNamespace

import pytest

from larder_training.reporting.progress import Progress


def test_lines_go_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "larder"), Progress().task("Reading", 10) as advance:
        advance(4)
        advance(6)
    assert caplog.messages == ["Reading: 10 of 10"]


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
    assert capsys.readouterr().out == "Reading: 10 of 10\n"
    assert caplog.messages == []

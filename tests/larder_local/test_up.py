"""``larder up`` as a process: its start, its end, and that no process is left."""

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from tests.larder_local.conftest import LINUX, SERVICE, children, larder, processes_left, running
from tests.paths import ROOT

from larder_local.gateway.template import load
from larder_local.local_service import with_local_settings
from larder_local.workspace import Workspace

PLAIN = ("--no-demo", "--template", str(SERVICE))


@LINUX
def test_it_prints_its_address_and_stops_everything_at_sigterm(tmp_path: Path) -> None:
    with running(tmp_path, *PLAIN) as up:
        worker = int(up.ask("/lab/sleep?seconds=0").body)
        assert f"Larder answers at {up.address}" in up.printed
        assert up.stop() == 0

    assert processes_left([worker]) == set()
    assert not (tmp_path / ".larder" / "service.json").exists()


def test_it_stops_at_ctrl_c(tmp_path: Path) -> None:
    with running(tmp_path, *PLAIN) as up:
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(30) == 0


@LINUX
def test_busy_and_idle_workers_end_when_it_is_killed(tmp_path: Path) -> None:
    with running(tmp_path, *PLAIN, "--workers", "2") as up:
        idle = int(up.ask("/lab/sleep?seconds=0").body)
        caller = threading.Thread(target=_ask_and_see_it_break, args=(up.ask, "/lab/sleep?seconds=1.9"))
        caller.start()
        workers = children(up.process.pid)
        up.process.kill()
        up.process.wait(10)
        caller.join()

    assert idle in workers
    assert processes_left(workers) == set()


def _ask_and_see_it_break(ask: object, path: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011  reset, refused or cut short: all are OSErrors
        ask(path)  # type: ignore[operator]  # Up.ask


def test_a_running_request_ends_before_it_stops(tmp_path: Path) -> None:
    answers = []
    with running(tmp_path, *PLAIN) as up:
        caller = threading.Thread(target=lambda: answers.append(up.ask("/lab/sleep?seconds=1").status))
        caller.start()
        time.sleep(0.3)  # the request must be sent before the stop
        assert up.stop() == 0
        caller.join()

    assert answers == [200]


def test_a_second_one_in_the_same_folder_and_a_taken_port_are_errors(tmp_path: Path) -> None:
    with running(tmp_path, *PLAIN) as up:
        again = larder("up", *PLAIN, folder=tmp_path, LARDER_PORT="0")
        assert (again.returncode, again.stderr.count("Another `larder up`")) == (1, 1)

        other = tmp_path / "other"
        other.mkdir()
        taken = larder("up", *PLAIN, folder=other, LARDER_PORT=up.address.rpartition(":")[2])
        assert (taken.returncode, taken.stderr.count("set LARDER_PORT")) == (1, 1)
        assert "Traceback" not in again.stderr + taken.stderr


@LINUX
def test_it_listens_on_this_machine_only(tmp_path: Path) -> None:
    with running(tmp_path, *PLAIN) as up, socket.socket() as outside:
        port = int(up.address.rpartition(":")[2])
        outside.bind(("127.0.0.2", port))  # fails if it listens on every address


def test_the_environment_comes_from_the_template_the_caller_and_the_workspace(tmp_path: Path) -> None:
    environment = {"LARDER_REFRESH_SECONDS": "1", "LARDER_STORE": "s3://not-this-one", "OTHER": "x"}
    functions = with_local_settings(
        load(ROOT / "template.yaml"), Workspace(tmp_path / ".larder"), environment
    ).functions

    for function in functions.values():
        assert function.environment["LARDER_STORE"] == f"file://{tmp_path}/.larder/store"
        if function.takes_messages:  # it reads the store alone
            continue
        assert function.environment["LARDER_REFRESH_SECONDS"] == "1"
        assert function.environment["LARDER_CACHE_DIR"] == f"{tmp_path}/.larder/cache"
        assert function.environment["LARDER_MAX_PIXELS"]
        assert "OTHER" not in function.environment


def test_a_missing_template_is_an_error(tmp_path: Path) -> None:
    refused = larder("up", "--no-demo", "--template", "nowhere.yaml", folder=tmp_path)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "nowhere.yaml" in refused.stderr
    assert os.listdir(tmp_path) == []  # noqa: PTH208  names alone

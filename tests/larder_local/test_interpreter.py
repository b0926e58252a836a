"""Python 3.13 is found wherever it is, and what only looks like it is passed over."""

import subprocess
import sys
from pathlib import Path

import pytest

from larder.errors import SettingsError
from larder_local import interpreter


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def python(path: Path, version: str = "3.13", prefix: Path | None = None) -> Path:
    """What answers the one question that is asked of an interpreter, as one of that version would."""
    return program(path, f"echo {version}; echo cpython; echo {prefix or path.parent.parent}")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent")


def test_a_shim_on_path_that_does_not_run_is_passed_over_for_pyenv_s_own(tmp_path: Path) -> None:
    program(tmp_path / "shims/python3.13", "exit 127")
    python(tmp_path / "versions/3.13.1/bin/python3.13", version="3.12")
    wanted = python(tmp_path / "versions/3.13.0/bin/python3.13")
    environment = {"PATH": f"{tmp_path}/shims", "PYENV_ROOT": str(tmp_path), "HOME": "/nonexistent"}
    assert interpreter.find(environment) == wanted


def test_the_installation_is_meant_and_not_a_virtual_environment_of_it(tmp_path: Path) -> None:
    wanted = python(tmp_path / "usr/bin/python3.13")
    python(tmp_path / "venv/bin/python3.13", prefix=tmp_path / "usr")
    assert interpreter.find({"PATH": f"{tmp_path}/venv/bin", "HOME": "/nonexistent"}) == wanted


def test_the_one_that_is_named_wins(tmp_path: Path) -> None:
    python(tmp_path / "usr/bin/python3.13")
    named = python(tmp_path / "mine/bin/python3.13")
    environment = {"PATH": f"{tmp_path}/usr/bin", "PYTHON": str(named), "HOME": "/nonexistent"}
    assert interpreter.find(environment) == named


def test_none_is_told_with_what_to_do(tmp_path: Path) -> None:
    python(tmp_path / "python3", version="3.12")
    with pytest.raises(SettingsError, match=r"install it .*make PYTHON="):
        interpreter.find({"PATH": str(tmp_path), "HOME": "/nonexistent"})


def test_what_is_found_here_is_what_it_should_be() -> None:
    try:
        found = interpreter.find()
    except SettingsError as error:
        pytest.skip(str(error))
    told = subprocess.run([found, "-VV"], capture_output=True, text=True, check=True).stdout  # noqa: S603  ours
    assert told.startswith("Python 3.13.")

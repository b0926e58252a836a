"""Python 3.13 is found in each place, and programs that only have its name are skipped."""

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
    """A program that describes itself as an interpreter of ``version``."""
    return program(path, f"echo {version}; echo cpython; echo {prefix or path.parent.parent}")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent")


def test_a_shim_that_does_not_run_is_skipped_for_the_versions_of_pyenv(tmp_path: Path) -> None:
    program(tmp_path / "shims/python3.13", "exit 127")
    python(tmp_path / "versions/3.13.1/bin/python3.13", version="3.12")
    wanted = python(tmp_path / "versions/3.13.0/bin/python3.13")
    environment = {"PATH": f"{tmp_path}/shims", "PYENV_ROOT": str(tmp_path), "HOME": "/nonexistent"}
    assert interpreter.find(environment) == wanted


def test_a_virtual_environment_leads_to_its_installation(tmp_path: Path) -> None:
    wanted = python(tmp_path / "usr/bin/python3.13")
    python(tmp_path / "venv/bin/python3.13", prefix=tmp_path / "usr")
    assert interpreter.find({"PATH": f"{tmp_path}/venv/bin", "HOME": "/nonexistent"}) == wanted


def test_the_variable_python_comes_first(tmp_path: Path) -> None:
    python(tmp_path / "usr/bin/python3.13")
    named = python(tmp_path / "mine/bin/python3.13")
    environment = {"PATH": f"{tmp_path}/usr/bin", "PYTHON": str(named), "HOME": "/nonexistent"}
    assert interpreter.find(environment) == named


def test_the_error_says_how_to_install_it(tmp_path: Path) -> None:
    python(tmp_path / "python3", version="3.12")
    with pytest.raises(SettingsError, match=r"install it .*make PYTHON="):
        interpreter.find({"PATH": str(tmp_path), "HOME": "/nonexistent"})


def test_the_interpreter_of_this_machine_is_3_13() -> None:
    try:
        python_3_13 = interpreter.find()
    except SettingsError as error:
        pytest.skip(str(error))
    version = subprocess.run([python_3_13, "-VV"], capture_output=True, text=True, check=True).stdout  # noqa: S603  ours
    assert version.startswith("Python 3.13.")

"""Finds CPython 3.13 on this machine, the version that the functions run on (``Runtime`` in template.yaml).

``python -m larder_local.interpreter`` prints its path. The build and the tests of the built bundle run on it,
independent of the version that Larder itself runs on. A ``python3.13`` on PATH may fail to run: pyenv's shim does,
unless that version is selected.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from larder.errors import SettingsError

VERSION: Final = "3.13"
_NAME: Final = f"python{VERSION}"
# sys.base_prefix is the installation behind a virtual environment: the environment's packages must not be importable.
_DESCRIBE: Final = (
    "import sys; print(*sys.version_info[:2], sep='.'); print(sys.implementation.name); print(sys.base_prefix)"
)
_SECONDS: Final = 20


def find(environment: Mapping[str, str] = os.environ) -> Path:
    """The path of the interpreter; raises SettingsError if there is none.

    Tries ``PYTHON`` of ``environment`` first, then the interpreter of this process, PATH, pyenv and uv.
    """
    for candidate in _candidates(environment):
        if candidate.is_file() and (interpreter := _installed(candidate)):
            return interpreter
    raise SettingsError(
        f"The functions need CPython {VERSION}, which was not found on this machine: install it with "
        f"`uv python install {VERSION}`, or give its path, as in: make PYTHON=/path/to/{_NAME} build",
        [],
    )


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    if python := environment.get("PYTHON"):
        yield Path(python)
    yield Path(sys.executable)
    path = [Path(folder) for folder in environment.get("PATH", "").split(os.pathsep) if folder]
    yield from (folder / _NAME for folder in path)
    home = Path(environment.get("HOME", "/nonexistent"))
    pyenv = Path(environment.get("PYENV_ROOT", home / ".pyenv")) / "versions"
    uv = Path(environment.get("UV_PYTHON_INSTALL_DIR", home / ".local/share/uv/python"))
    for folder, pattern in ((pyenv, f"{VERSION}.*"), (uv, f"cpython-{VERSION}*")):
        yield from sorted(folder.glob(f"{pattern}/bin/{_NAME}"), reverse=True)
    yield from (folder / name for name in ("python3", "python") for folder in path)


def _installed(candidate: Path) -> Path | None:
    """The interpreter of ``candidate``'s installation, or None if it does not run or has another version."""
    command = [str(candidate), "-I", "-S", "-c", _DESCRIBE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603  ours
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.splitlines()
    if done.returncode or lines[:2] != [VERSION, "cpython"]:
        return None
    installed = Path(lines[2]) / "bin" / _NAME
    return installed if installed.is_file() else None


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{find()}\n")
    except SettingsError as error:
        sys.exit(str(error))

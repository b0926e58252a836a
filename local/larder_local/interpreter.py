"""Finds a CPython 3.13 on this machine: the version of the functions (template.yaml, ``Runtime``).

``python -m larder_local.interpreter`` prints its path; the build and the tests of what was built run on it, whatever
version Larder itself runs on. A ``python3.13`` on PATH need not run: pyenv puts a shim there that fails unless the
version is chosen.
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
# The installation itself and not a virtual environment of it: packages of an environment must not be seen.
_TELL: Final = (
    "import sys; print(*sys.version_info[:2], sep='.'); print(sys.implementation.name); print(sys.base_prefix)"
)
_SECONDS: Final = 20


def find(environment: Mapping[str, str] = os.environ) -> Path:
    """The interpreter; raises SettingsError where there is none.

    ``PYTHON`` in ``environment`` is tried first, then this process's own, those on PATH, pyenv's and uv's.
    """
    for candidate in _candidates(environment):
        if candidate.is_file() and (found := _installed(candidate)):
            return found
    raise SettingsError(
        f"There is no CPython {VERSION} here, on which the functions run: install it (`uv python install {VERSION}`), "
        f"or name one, as in: make PYTHON=/path/to/{_NAME} build",
        [],
    )


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    if named := environment.get("PYTHON"):
        yield Path(named)
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
    """The interpreter of ``candidate``'s installation, or None where it does not run or is of another version."""
    command = [str(candidate), "-I", "-S", "-c", _TELL]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603  ours
    except (OSError, subprocess.TimeoutExpired):
        return None
    told = done.stdout.splitlines()
    if done.returncode or told[:2] != [VERSION, "cpython"]:
        return None
    installed = Path(told[2]) / "bin" / _NAME
    return installed if installed.is_file() else None


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{find()}\n")
    except SettingsError as error:
        sys.exit(str(error))

"""Commands of the repository that tests run."""

import os
import subprocess
from pathlib import Path

from tests.paths import ROOT

UNREACHABLE = ("Failed to fetch", "network was disabled")


def run(*command: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command in the root of the repository."""
    return subprocess.run(  # noqa: S603  our own commands
        [str(word) for word in command],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )

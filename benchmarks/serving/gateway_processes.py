"""The processes of a `larder up` on this machine, from outside: which workers there are, what they hold, and one's end.
Part of soak.py; Linux alone, since it reads /proc.
"""

import os
import random
import re
import signal
from pathlib import Path

MIB = 2**20


def workers(gateway: int) -> dict[int, str]:
    """The gateway's worker processes, each with its function's name (Linux)."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
            variables = (path / "environ").read_bytes().split(b"\0") if int(parent) == gateway else []
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        for variable in variables:
            if variable.startswith(b"AWS_LAMBDA_FUNCTION_NAME="):
                found[int(path.name)] = variable.partition(b"=")[2].decode()
    return found


def kill(gateway: int, draw: random.Random) -> str:
    """Ends a worker that answers models' requests, whatever it does; returns its function's name."""
    pid, name = draw.choice([each for each in workers(gateway).items() if each[1] != "ModelsFunction"])
    os.kill(pid, signal.SIGKILL)
    return name


def memory(gateway: int) -> dict[str, int]:
    """Bytes that the gateway holds for itself, and those of the largest worker of each function."""
    found = {"gateway": resident(gateway)}
    for pid, name in workers(gateway).items():
        found[name] = max(found.get(name, 0), resident(pid))
    return found


def resident(pid: int) -> int:
    """Bytes of memory of a process that are not a file's (Linux)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0

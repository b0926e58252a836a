"""The processes of a running `larder up`: list its workers, read their memory, and kill one.

For soak.py; Linux only, since it reads /proc.
"""

import os
import random
import re
import signal
from pathlib import Path

MIB = 2**20


def workers(gateway: int) -> dict[int, str]:
    """The gateway's worker processes, with the name of the function of each."""
    names = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
            variables = (path / "environ").read_bytes().split(b"\0") if int(parent) == gateway else []
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        for variable in variables:
            if variable.startswith(b"AWS_LAMBDA_FUNCTION_NAME="):
                names[int(path.name)] = variable.partition(b"=")[2].decode()
    return names


def kill(gateway: int, draw: random.Random) -> str:
    """Kills a random worker that serves models; returns its function's name."""
    pid, name = draw.choice([worker for worker in workers(gateway).items() if worker[1] != "ModelsFunction"])
    os.kill(pid, signal.SIGKILL)
    return name


def memory(gateway: int) -> dict[str, int]:
    """The memory of the gateway, and of the largest worker of each function, in bytes."""
    sizes = {"gateway": resident(gateway)}
    for pid, name in workers(gateway).items():
        sizes[name] = max(sizes.get(name, 0), resident(pid))
    return sizes


def resident(pid: int) -> int:
    """The anonymous memory of a process in bytes."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    match = re.search(r"RssAnon:\s+(\d+) kB", status)
    return int(match[1]) * 1024 if match else 0

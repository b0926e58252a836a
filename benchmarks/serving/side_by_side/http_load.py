"""Load on services: wrk, which costs little enough beside them not to be what is measured."""

import http.client
import json
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np

from side_by_side.contenders import Request, Result, Service
from side_by_side.processes import LOAD_CORE, SERVING_CORE, cpu_seconds, memory, started

CONNECTIONS: Final = 8  # that stay open while the core is to be full
_SCRIPT: Final = Path(__file__).with_name("requests.lua")
_PATIENCE: Final = 90.0
_WARM_UP_SECONDS: Final = 2


def percentile(laps: Sequence[float], part: float) -> float:
    """Of the laps, corrected as wrk corrects its own: where one took several average laps, those who would have asked
    meanwhile would have waited too.
    """
    mean = sum(laps) / len(laps)
    missed = [lap - k * mean for lap in laps if lap > 2 * mean for k in range(1, int(lap / mean))]
    return float(np.quantile([*laps, *missed], part))


def measure(service: Service, seconds: int, folder: Path, result: Result) -> None:
    """Adds one round to ``result``: the first answer, one connection, then as many as fill the core."""
    asked, log = write(service.requests, folder / service.name), folder / f"{service.name}.log"
    with ExitStack() as stack:

        def begin(command: Sequence[str | Path]) -> subprocess.Popen[bytes]:
            process = started(command, log=log, core=SERVING_CORE, environment=service.environment)
            return stack.enter_context(process)

        processes = [begin(command) for command in service.beside]
        if service.fill:
            subprocess.run(list(map(str, service.fill)), check=True, capture_output=True)  # noqa: S603  ours
        begun = time.perf_counter()
        processes.append(begin(service.command))
        _first_answer(service, processes[-1])
        result.cold.append(time.perf_counter() - begun)
        wrk(service.port, asked, 2, _WARM_UP_SECONDS)
        alone = wrk(service.port, asked, 1, seconds)
        result.p50.append(alone["p50"])
        result.p99.append(alone["p99"])
        roots = [process.pid for process in processes]
        before = cpu_seconds(roots)
        full = wrk(service.port, asked, CONNECTIONS, seconds)
        result.rate.append(full["requests"] / full["seconds"])
        result.cpu.append((cpu_seconds(roots) - before) / full["requests"])
        result.memory.append(memory(roots))


def _first_answer(service: Service, process: subprocess.Popen[bytes]) -> None:
    """Asks until there is an answer, and looks at it; raises RuntimeError where it is not what is expected."""
    request, deadline, answer = service.requests[0], time.monotonic() + _PATIENCE, b""
    headers = {"content-type": request.content_type} if request.content_type else {}
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=_PATIENCE)
        try:
            connection.request(request.method, request.path, request.body, headers)
            response = connection.getresponse()
            answer = response.read()
            if response.status == 200 and service.expected in answer:
                return
        except (OSError, http.client.HTTPException):
            pass  # it does not listen yet
        finally:
            connection.close()
        time.sleep(0.005)
    raise RuntimeError(f"{service.name} answers {answer[:500]!r} and not {service.expected!r}: look at its log.")


def write(requests: Sequence[Request], folder: Path) -> Path:
    """Writes the requests as ``requests.lua`` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, request in enumerate(requests):
        body = folder / f"{number}.body"
        if request.body:
            body.write_bytes(request.body)
        place = str(body.resolve()) if request.body else ""
        lines.append(f"{request.method}\t{request.path}\t{request.content_type}\t{place}")
    asked = folder / "requests.tsv"
    asked.write_text("\n".join(lines) + "\n")
    return asked


def wrk(port: int, asked: Path, connections: int, seconds: int) -> dict[str, float]:
    """What ``requests.lua`` prints; raises RuntimeError where a request failed."""
    options = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--timeout", "30s"]
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", *options, "--script", str(_SCRIPT)]
    command += [f"http://127.0.0.1:{port}", "--", str(asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  a load generator on loopback
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if found["errors"] or not found["requests"]:
        raise RuntimeError(f"wrk saw {found}: look at the service's log.")
    return found

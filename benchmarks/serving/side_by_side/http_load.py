"""Load on services by wrk, whose own cost is small compared with theirs."""

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

CONNECTIONS: Final = 8  # at full load
_SCRIPT: Final = Path(__file__).with_name("requests.lua")
_PATIENCE: Final = 90.0
_WARM_UP_SECONDS: Final = 2


def percentile(laps: Sequence[float], part: float) -> float:
    """The percentile of the laps, corrected as wrk does.

    If a lap took several average laps, the requests that would have been sent meanwhile would have waited too.
    """
    mean = sum(laps) / len(laps)
    missed = [lap - k * mean for lap in laps if lap > 2 * mean for k in range(1, int(lap / mean))]
    return float(np.quantile([*laps, *missed], part))


def measure(service: Service, seconds: int, folder: Path, result: Result) -> None:
    """Adds one round to ``result``: the first response, one connection, then as many as fill the core."""
    requests, log = write(service.requests, folder / service.name), folder / f"{service.name}.log"
    with ExitStack() as stack:

        def begin(command: Sequence[str | Path]) -> subprocess.Popen[bytes]:
            process = started(command, log=log, core=SERVING_CORE, environment=service.environment)
            return stack.enter_context(process)

        processes = [begin(command) for command in service.companions]
        if service.fill:
            subprocess.run(list(map(str, service.fill)), check=True, capture_output=True)  # noqa: S603  ours
        begun = time.perf_counter()
        processes.append(begin(service.command))
        _await_response(service, processes[-1])
        result.cold.append(time.perf_counter() - begun)
        wrk(service.port, requests, 2, _WARM_UP_SECONDS)
        single = wrk(service.port, requests, 1, seconds)
        result.p50.append(single["p50"])
        result.p99.append(single["p99"])
        roots = [process.pid for process in processes]
        before = cpu_seconds(roots)
        full = wrk(service.port, requests, CONNECTIONS, seconds)
        result.rate.append(full["requests"] / full["seconds"])
        result.cpu.append((cpu_seconds(roots) - before) / full["requests"])
        result.memory.append(memory(roots))


def _await_response(service: Service, process: subprocess.Popen[bytes]) -> None:
    """Sends requests until there is a response; raises RuntimeError if it is not the expected one."""
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
            pass  # not listening yet
        finally:
            connection.close()
        time.sleep(0.005)
    raise RuntimeError(f"{service.name} returned {answer[:500]!r}, not {service.expected!r}: see its log.")


def write(requests: Sequence[Request], folder: Path) -> Path:
    """Writes the requests in the format of ``requests.lua``."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, request in enumerate(requests):
        body = folder / f"{number}.body"
        if request.body:
            body.write_bytes(request.body)
        path = str(body.resolve()) if request.body else ""
        lines.append(f"{request.method}\t{request.path}\t{request.content_type}\t{path}")
    written = folder / "requests.tsv"
    written.write_text("\n".join(lines) + "\n")
    return written


def wrk(port: int, requests: Path, connections: int, seconds: int) -> dict[str, float]:
    """The output of ``requests.lua``; raises RuntimeError if a request failed."""
    options = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--timeout", "30s"]
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", *options, "--script", str(_SCRIPT)]
    command += [f"http://127.0.0.1:{port}", "--", str(requests)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  a load generator on loopback
    totals: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if totals["errors"] or not totals["requests"]:
        raise RuntimeError(f"wrk reports {totals}: see the service's log.")
    return totals

"""What the metrics of a request cost, without them, with them, and by Powertools' metrics, side by side.

    python benchmarks/metrics/request.py

A line of the log is written 20,000 times in each of three ways, in turn, so that other work on the machine delays all
alike; the median of the processor's and of the wall time of a line counts. A cold start is a new process that imports
the functions' resolver, and then what writes the metrics: the processor's time of that second import, and the modules
that it loads. Prints a table, and exits with 1 if the metrics cost a request 0.2 ms or more.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any, Final

from larder.runtime.metrics import request_metrics, with_metrics

LIMIT: Final = 0.2  # milliseconds
ROUNDS: Final = 20
LINES: Final = 1000
STARTS: Final = 9
CLASSIFIED: Final = {"Unknown": 0, "DecodeTime": 1.234, "InferenceTime": 3.456}
RECORD: Final[dict[str, Any]] = {
    "level": "INFO",
    "route": "POST /v1/models/{model}/classify",
    "model": "photos",
    "release": "20261130t101500z-3f1c22aa",
    "arm": None,
    "status": 200,
    "ms": 6.123,
    "cold": None,
    "request": "0b0c7f1e-6f4d-4c52-9a0e-0d5a2b1b9a11",
    "unknown": False,
    "label": "sunflower",
    "labels": 3,
}
_IMPORT: Final = """
import sys, time
sys.path[:0] = {path!r}
import json, larder.web.resolver
modules, begun = len(sys.modules), time.process_time()
import {module}
print(1000 * (time.process_time() - begun), len(sys.modules) - modules)
"""


def without() -> str:
    """The line without metrics."""
    return json.dumps(RECORD)


def embedded() -> str:
    """The line with metrics, as the router writes it."""
    return json.dumps(with_metrics(RECORD, request_metrics(200, 6.123, None, CLASSIFIED)))


def with_powertools() -> Callable[[], str]:
    """Writes the same line by Powertools."""
    os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Larder")
    from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit  # not a part of what is measured before

    def line() -> str:
        metrics = EphemeralMetrics(service="photos")
        metrics.add_dimension("model", "photos")
        metrics.add_metric("Latency", MetricUnit.Milliseconds, 6.123)
        metrics.add_metric("Unknown", MetricUnit.Count, 0)
        metrics.add_metric("DecodeTime", MetricUnit.Milliseconds, 1.234)
        metrics.add_metric("InferenceTime", MetricUnit.Milliseconds, 3.456)
        for name, value in RECORD.items():
            if name != "model":
                metrics.add_metadata(name, value)
        with redirect_stdout(io.StringIO()) as out:
            metrics.flush_metrics()
        return out.getvalue().rstrip("\n")

    return line


def milliseconds(line: Callable[[], str]) -> tuple[float, float]:
    """The processor's and the wall time of one line."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(LINES):
        line()
    return 1000 * (time.process_time() - cpu) / LINES, 1000 * (time.perf_counter() - wall) / LINES


def cold(module: str) -> tuple[float, int]:
    """The processor's milliseconds to import ``module`` after the resolver (median), and the modules it loads."""
    script = _IMPORT.format(path=[path for path in sys.path if path], module=module)
    found = []
    for _ in range(STARTS):
        run = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)  # noqa: S603  # our own script
        spent, modules = run.stdout.split()
        found.append((float(spent), int(modules)))
    return statistics.median(spent for spent, _ in found), found[0][1]


def main() -> None:
    """Measure, print and judge."""
    ways = {"without metrics": without, "embedded (Larder)": embedded, "Powertools": with_powertools()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, line in ways.items():
            times[name].append(milliseconds(line))
    imports = {
        "embedded (Larder)": cold("larder.runtime.metrics"),
        "Powertools": cold("aws_lambda_powertools.metrics"),
    }
    print("| line | CPU ms | wall ms | bytes | import, CPU ms | modules |\n| --- | --- | --- | --- | --- | --- |")
    for name, line in ways.items():
        cpu, wall = (statistics.median(values) for values in zip(*times[name], strict=True))
        spent, modules = imports.get(name, (0.0, 0))
        print(f"| {name} | {cpu:.4f} | {wall:.4f} | {len(line())} | {spent:.1f} | {modules} |")
    growth = statistics.median(
        after[1] - before[1] for before, after in zip(times["without metrics"], times["embedded (Larder)"], strict=True)
    )
    print(f"metrics cost a request {growth:.4f} ms, limit {LIMIT} ms")
    sys.exit(growth >= LIMIT)


if __name__ == "__main__":
    main()

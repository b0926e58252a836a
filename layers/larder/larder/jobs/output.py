"""What the lines of a training's output say: its progress, and the metrics on the test part.

``larder_training.reporting.progress`` and ``larder_training.sagemaker.metrics`` write these lines.
"""

import re
from typing import Final

from larder.jobs.job import JobProgress

_PROGRESS: Final = re.compile(
    r"(?P<title>\S.*?) (?P<done>\d[\d,]*)/(?P<total>\d[\d,]*)"
    r"(?:, (?P<left>\d+ (?:s|min|h(?: \d+ min)?)) left)?(?:, .*)?"
)
_METRIC: Final = re.compile(r"(?P<name>test:[a-z0-9_@]+)=(?P<value>[0-9.]+);")
_SECONDS: Final = {"s": 1, "min": 60, "h": 3600}


def read_progress(line: str) -> JobProgress | None:
    """The progress that a line reports, such as ``Searching for the head 12/80, 3 min left, best accuracy 0.9``."""
    match = _PROGRESS.fullmatch(line.strip())
    if match is None:
        return None
    done, total = (int(match[name].replace(",", "")) for name in ("done", "total"))
    return JobProgress(match["title"], done, total, _seconds(match["left"])) if done <= total else None


def read_metric(line: str) -> tuple[str, float] | None:
    """The name and the value of a metric that a line reports, such as ``test:accuracy=0.975000;``."""
    match = _METRIC.fullmatch(line.strip())
    return (match["name"], float(match["value"])) if match else None


def _seconds(left: str | None) -> float | None:
    """The seconds of a duration such as ``40 s``, ``3 min`` or ``2 h 5 min``."""
    if left is None:
        return None
    words = left.split()
    return float(sum(int(number) * _SECONDS[unit] for number, unit in zip(words[::2], words[1::2], strict=True)))

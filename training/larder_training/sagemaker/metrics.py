"""Lines of the log that SageMaker reads metrics from, by the regular expressions of a job's MetricDefinitions."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypedDict

from larder.release.manifest import Kind, Manifest

_NUMBER: Final = "([0-9.]+)"
_NAMES: Final[Mapping[Kind, tuple[str, ...]]] = {
    "classifier": ("accuracy", "macro_f1", "micro_f1", "cross_entropy", "expected_calibration_error"),
    "recommender": ("recall@20", "ndcg@20"),
}


class MetricDefinition(TypedDict):
    """A metric of a training job, as CreateTrainingJob takes it."""

    Name: str
    Regex: str


def metric_definitions(kind: Kind) -> list[MetricDefinition]:
    """The MetricDefinitions of a job: each metric of the test part that the log may have, ``test:accuracy``."""
    names = [f"test:{name}" for name in _NAMES[kind]]
    return [{"Name": name, "Regex": f"{re.escape(name)}={_NUMBER};"} for name in names]


def metric_lines(manifest: Manifest) -> Iterator[str]:
    """The metrics of a release as lines, ``test:accuracy=0.975000;``."""
    section: Any = manifest.evaluation.get("test" if manifest.kind == "classifier" else "metrics", {})
    for name in _NAMES[manifest.kind]:
        value = section.get(name)
        number = value.get("mean") if isinstance(value, Mapping) else value
        if isinstance(number, int | float):
            yield f"test:{name}={number:.6f};"

"""The metrics that SageMaker reads from the log of a training job, by regular expressions."""

import re
from collections.abc import Mapping
from typing import Final, TypedDict

from larder.release.manifest import Kind

METRICS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "classifier": ("accuracy", "macro_f1", "micro_f1", "cross_entropy", "expected_calibration_error"),
    "recommender": ("recall@20", "ndcg@20"),
}
"""The metrics of the test part that the log of a training may have, ``test:accuracy=0.975000;``."""
_NUMBER: Final = "([0-9.]+)"


class MetricDefinition(TypedDict):
    """A metric of a training job, as CreateTrainingJob takes it."""

    Name: str
    Regex: str


def metric_definitions(kind: Kind) -> list[MetricDefinition]:
    """The MetricDefinitions of a job: each metric of the test part that the log may have, ``test:accuracy``."""
    names = [f"test:{name}" for name in METRICS[kind]]
    return [{"Name": name, "Regex": f"{re.escape(name)}={_NUMBER};"} for name in names]

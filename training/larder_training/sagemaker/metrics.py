"""Lines of the log that SageMaker reads metrics from, by the regular expressions of a job's MetricDefinitions."""

from collections.abc import Iterator, Mapping
from typing import Any

from larder.jobs.sagemaker.metrics import METRICS
from larder.release.manifest import Manifest


def metric_lines(manifest: Manifest) -> Iterator[str]:
    """The metrics of a release as lines, ``test:accuracy=0.975000;``."""
    section: Any = manifest.evaluation.get("test" if manifest.kind == "classifier" else "metrics", {})
    for name in METRICS[manifest.kind]:
        value = section.get(name)
        number = value.get("mean") if isinstance(value, Mapping) else value
        if isinstance(number, int | float):
            yield f"test:{name}={number:.6f};"

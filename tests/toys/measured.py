"""Manifests of releases with these qualities."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from larder.release import manifest as manifests
from larder.release.manifest import Manifest

OLD, NEW = "20260101t000000z-00000000", "20260102t000000z-11111111"


def measured_classifier(
    manifest: Manifest, accuracy: float, half: float, *, release: str = NEW, data: str = "a"
) -> Manifest:
    """A classifier with this accuracy and half-width of its interval, tested on 200 images of ``data``."""
    return replace(
        manifest,
        release=release,
        evaluation={
            "split": "at random",
            "test": {"photos": 200, "accuracy": accuracy, "accuracy_interval_95": [accuracy - half, accuracy + half]},
        },
        training={"data": {"fingerprint": data, "parts": {"test": {"cat": 150, "dog": 50}}}, "seed": 0, "split": {}},
    )


def measured_recommender(
    manifest: Manifest, recall: float, half: float, *, release: str = NEW, **evaluation: object
) -> Manifest:
    """A recommender with this recall and half-width of its interval."""

    def score(mean: float) -> dict[str, Any]:
        return {"recall@20": {"mean": mean, "interval": [mean - half, mean + half]}}

    return replace(
        manifest,
        release=release,
        evaluation={
            "users": 900,
            "split": {"test": [1, 2]},
            "metrics": score(recall),
            "baselines": {"popularity": score(0.1), "own_items_again": score(0.2)},
            **evaluation,
        },
        training={"data": {"inputs": {"interactions": {"sha256": "b"}}}, "order": "time", "seed": 0},
    )


def with_accuracy(folder: Path, accuracy: float, half: float = 0.02, data: str = "a") -> Path:
    """A classifier's release in a folder, with the evaluation of ``measured_classifier``; returns the folder."""
    path = folder / "manifest.json"
    document = json.loads(path.read_bytes())
    measured = measured_classifier(manifests.parse(path.read_bytes()), accuracy, half, data=data)
    document |= {"evaluation": measured.evaluation, "training": measured.training}
    path.write_text(json.dumps(document))
    return folder

"""`larder up` promotes or rejects a canary by its own log, without a person."""

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.larder_local.conftest import Up, running
from tests.paths import ROOT
from tests.toys.rollout import HEIGHT, WIDTH, classifier

from larder.registry import Registry
from larder.registry.canaries import start_canary
from larder.registry.policy import DEFAULT_POLICY, changed_policy, write_policy
from larder.registry.rollout_records import begin, read_record, write_record
from larder.release.pointer import Pointer
from larder.rollout import upload
from larder.store import open_store

__all__ = ["classifier"]  # a fixture
REQUESTS = 700


def with_novelty_threshold(folder: Path, threshold: float) -> Path:
    """The release with another threshold, above which an image is unknown."""
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    document["serving"]["novelty_threshold"] = threshold
    path.write_text(json.dumps(document))
    return folder


def ask(up: Up, path: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(up.ask(path).body)
    return document


@pytest.mark.parametrize(("threshold", "state"), [(0.5, "rejected"), (1000.0, "promoted")])
def test_a_canary_is_decided_by_what_it_answers(
    tmp_path: Path, classifier: Callable[..., Path], threshold: float, state: str
) -> None:
    # GIVEN a canary that finds all images unknown, or none, as the live release does
    workspace = tmp_path / ".larder"
    (workspace / "store").mkdir(parents=True)
    registry = Registry(open_store((workspace / "store").as_uri()))
    folders = classifier(1), with_novelty_threshold(classifier(2), threshold)
    live, canary = (upload(folder, registry.store).manifest.release for folder in folders)
    registry.write_pointer("pets", Pointer(live), replaces=None)
    write_record(registry, "pets", canary, begin(event=False).end("canary", None))
    policy = {"errors_margin": 0.2, "latency_margin": 5.0}  # a few hundred requests on a busy machine
    write_policy(registry.store, "pets", changed_policy(DEFAULT_POLICY, policy), None)
    start_canary(registry, "pets", canary, 50, lambda _: False)
    image = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), (2, 1, 0)).save(image, "PNG")

    with running(tmp_path, "--no-demo", "--template", str(ROOT / "template.yaml"), "--workers", "1") as up:
        # WHEN callers with a key of their own ask
        answers = [
            up.ask("/v1/models/pets/classify", image.getvalue(), {"x-larder-key": str(number), "content-type": ""})
            for number in range(REQUESTS)
        ]
        assert {answer.status for answer in answers} == {200}
        deadline = time.monotonic() + 60
        while ask(up, "/v1/models/pets")["canary"] is not None:
            assert time.monotonic() < deadline, ask(up, "/v1/models/pets/canary")
            time.sleep(0.5)
        # THEN it ends so within seconds, and says why
        record = ask(up, f"/v1/models/pets/releases/{canary}/rollout")
        assert (record["state"], record["steps"][-1]["step"]) == (state, "watch")
        assert ("Unknown images: 100.00%" in record["steps"][-1]["detail"]) == (state == "rejected")
        assert ask(up, "/v1/models/pets/history")["history"][0]["by"] == "rollout"
        assert up.stop() == 0
    version = registry.pointer("pets")
    assert version is not None
    assert version.pointer.stable == (live if state == "rejected" else canary)
    assert read_record(registry, "pets", canary) is not None

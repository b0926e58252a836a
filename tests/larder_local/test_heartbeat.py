"""The heartbeat of ``larder up``, against the service that runs, and what ``larder status`` shows of it."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.larder_local.conftest import Up, larder, running
from tests.toys.rollout import classifier, golden_classifier

from larder.rollout import roll_out, upload
from larder.store import Store, open_store
from larder_local.heartbeat import LocalHeartbeat

__all__ = ["classifier", "golden_classifier"]
Write = Callable[..., Path]


def _publish(folder: Path, store: Store) -> None:
    """Makes a release live, without asking it."""
    manifest = upload(folder, store).manifest
    assert roll_out(store, manifest.model, manifest.release, gate=False).state == "promoted"


async def _beat(store: Store, up: Up, seconds: float) -> None:
    beating = asyncio.create_task(LocalHeartbeat(store, up.address, up.key, seconds=1).run())
    await asyncio.sleep(seconds)
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)


def test_status_shows_what_the_heartbeat_of_the_running_service_found(
    tmp_path: Path, golden_classifier: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    store = open_store(f"file://{home}/.larder/store")
    _publish(golden_classifier(), store)
    with running(home, "--no-demo", "--workers", "1") as up:
        asyncio.run(_beat(store, up, 5))
        shown = larder("status", folder=home)
        assert shown.returncode == 0, shown.stderr
        assert "available, last hour" in shown.stdout
        (record,) = json.loads(larder("status", "--json", folder=home).stdout)["heartbeats"].values()
        assert record["heartbeats"] >= 1
        assert (record["availability"], record["latency_ms"] > 0, record["last"]["reason"]) == (1.0, True, None)
        assert up.ask("/v1/models/pets/ready").status == 200

        # WHEN another release goes live, whose golden answers are not what it answers
        _publish(golden_classifier(1, cat=0.5), store)
        asyncio.run(_beat(store, up, 3))
        shown = larder("status", folder=home)
        assert shown.returncode == 1
        assert "Problem: pets: the heartbeat of " in shown.stdout
        assert capsys.readouterr().out.count("Heartbeat: pets is not available. Golden request 0 has 'cat'") == 1
        assert up.ask("/v1/models/pets/ready").status == 503

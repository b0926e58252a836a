"""The routes that change a model: promote, roll back, reject, delete, policy; and those that describe releases."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tests.toys.http_calls import call
from tests.toys.live_store import open_served
from tests.toys.measured import with_accuracy
from tests.toys.rollout import classifier
from tests.toys.shop import write_shop

from larder.registry import Registry
from larder.registry.canaries import start_canary
from larder.registry.policy import DEFAULT_POLICY
from larder.registry.rollout_records import RolloutStep, begin, write_record
from larder.release.keys import releases_prefix
from larder.release.manifest import Manifest
from larder.rollout import roll_out, upload
from larder.store import Store
from models import app

__all__ = ["classifier", "write_shop"]  # fixtures
Write = Callable[..., Path]
PETS = "/v1/models/pets"


def ask(method: str, path: str, body: object = None, **query: str) -> tuple[int, Any]:
    return call(app.handler, method, f"{PETS}{path}", body, **query)


def accept(_: Manifest) -> None:
    """A probe whose golden requests get the expected answers."""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of the function, without a model."""
    store = open_served(tmp_path, monkeypatch)
    app.service.reset()
    return store


@pytest.fixture
def names(store: Store, classifier: Write) -> list[str]:
    """Releases with an accuracy of 90, 95 and 25 %, rolled out in this order: the last one is rejected."""
    names = []
    for hour, accuracy in enumerate((0.9, 0.95, 0.25), start=1):
        names.append(upload(with_accuracy(classifier(hour), accuracy), store).manifest.release)
        roll_out(store, "pets", names[-1], accept, event=True)
    return names


def test_the_record_has_what_a_rollout_found(names: list[str]) -> None:
    first, second, worse = names
    status, record = ask("GET", f"/releases/{second}/rollout")
    assert (status, record["state"], record["reason"], record["event"]) == (200, "promoted", None, True)
    assert [(step["step"], step["passed"]) for step in record["steps"]] == [
        ("verify", True),
        ("gate", True),
        ("probe", True),
    ]
    assert record["steps"][1]["detail"] == "Both were tested on the same data."
    _, record = ask("GET", f"/releases/{first}/rollout")
    assert [step["step"] for step in record["steps"]] == ["verify", "probe"]  # nothing to compare with
    _, record = ask("GET", f"/releases/{worse}/rollout")
    assert (record["state"], record["steps"][-1]["step"], record["steps"][-1]["passed"]) == ("rejected", "gate", False)
    assert "new accuracy 25.0 %" in record["reason"]


def test_a_rollback_is_safe_to_repeat_by_the_revision(names: list[str]) -> None:
    first, second, _ = names
    assert ask("GET", "")[1]["revision"] == 2
    status, pointer = ask("POST", "/rollback", {"revision": 2})
    assert (status, pointer) == (
        200,
        {"model": "pets", "live": first, "previous": second, "canary": None, "canary_percent": 0, "revision": 3},
    )
    status, refused = ask("POST", "/rollback", {"revision": 2})
    assert (status, refused["error"]["code"]) == (409, "invalid_state")
    assert "revision 3, not 2: look at the model again" in refused["error"]["message"]
    assert ask("POST", "/rollback")[1]["live"] == second
    _, history = ask("GET", "/history", n="3")
    assert [(entry["stable"], entry["by"] and entry["by"].split()[0]) for entry in history["history"]] == [
        (second, None),
        (first, None),
        (second, "rollout"),
    ]


def test_a_checked_release_is_promoted_once_and_a_worse_one_by_force_only(names: list[str], store: Store) -> None:
    first, second, worse = names
    status, pointer = ask("POST", f"/releases/{second}/promote")
    assert (status, pointer["live"], pointer["revision"]) == (200, second, 2)  # it is live: nothing changes
    status, refused = ask("POST", f"/releases/{first}/promote")
    assert (status, refused["error"]["code"]) == (409, "invalid_state")
    assert "new accuracy 90.0 %" in refused["error"]["message"]
    assert "live accuracy 95.0 %" in refused["error"]["message"]
    assert ask("POST", f"/releases/{first}/promote", {"force": True, "revision": 2})[1]["live"] == first

    # The gate rejected this one before it was asked anything, so it may crash the function.
    status, refused = ask("POST", f"/releases/{worse}/promote", {"force": True})
    assert (status, "golden requests: run larder publish" in refused["error"]["message"]) == (409, True)
    record = begin(event=False)
    for step in ("verify", "probe"):
        record = record.with_step(RolloutStep(step, passed=True, seconds=0.1))
    write_record(Registry(store), "pets", worse, record.end("kept", "It waits."))
    assert ask("POST", f"/releases/{worse}/promote")[0] == 409  # it is rejected still
    assert ask("POST", f"/releases/{worse}/promote", {"force": True})[1]["live"] == worse
    assert not Registry(store).is_rejected("pets", worse)


def test_a_rejected_release_does_not_come_back_and_the_live_one_cannot_be_rejected(names: list[str]) -> None:
    first, second, _ = names
    status, refused = ask("POST", f"/releases/{second}/reject", {"reason": "x"})
    assert (status, "roll back" in refused["error"]["message"]) == (409, True)
    status, rejection = ask("POST", f"/releases/{first}/reject", {"reason": "Blurred images."})
    assert (status, rejection["state"], rejection["reason"]) == (200, "rejected", "Blurred images.")
    status, refused = ask("POST", "/rollback")
    assert (status, "is rejected (Blurred images.)" in refused["error"]["message"]) == (409, True)
    assert ask("POST", f"/releases/{first}/promote")[0] == 409


def test_a_release_is_deleted_only_if_nothing_names_it(names: list[str], store: Store) -> None:
    first, second, worse = names
    for name, role in ((first, "previous"), (second, "live")):
        status, refused = ask("DELETE", f"/releases/{name}")
        assert (status, f"is the {role} release" in refused["error"]["message"]) == (409, True)
    write_record(Registry(store), "pets", worse, begin(event=True))
    status, refused = ask("DELETE", f"/releases/{worse}")
    assert (status, "rollout" in refused["error"]["message"]) == (409, True)
    write_record(Registry(store), "pets", worse, begin(event=True).end("rejected", "It is worse."))
    status, removed = ask("DELETE", f"/releases/{worse}")
    assert (status, removed["release"], removed["files"] > 3, removed["bytes"] > 100) == (200, worse, True, True)
    assert list(store.list(f"{releases_prefix('pets')}{worse}/")) == []
    assert ask("DELETE", f"/releases/{worse}")[0] == 404


def test_two_releases_are_compared(names: list[str]) -> None:
    first, second, worse = names
    status, found = ask("GET", f"/releases/{worse}/comparison")
    assert (status, found["base"], found["quality"]["worse"]) == (200, second, True)
    assert found["quality"]["difference"] == pytest.approx(-0.7)
    assert found["releases"][worse]["quality"]["value"] == 0.25
    assert found["labels"]["added"] == found["labels"]["removed"] == 0
    assert ask("GET", f"/releases/{second}/comparison", base=first)[1]["base"] == first
    assert ask("GET", f"/releases/{second}/comparison", base="none")[0] == 404


def test_a_canary_is_shown_and_rejected_or_promoted(names: list[str], store: Store) -> None:
    first, second, _ = names
    status, refused = ask("GET", "/canary")
    assert (status, "'pets' has no canary: publish" in refused["error"]["message"]) == (404, True)
    assert call(app.handler, "GET", "/v1/models/none/canary")[0] == 404
    start_canary(Registry(store), "pets", first, 5, lambda _: False)
    status, found = ask("GET", "/canary")
    assert (status, found["canary"], found["live"], found["percent"], found["looked"]) == (200, first, second, 5, None)
    assert (found["metrics"], found["curve"], found["verdict"]) == ([], [], "wait")
    # WHEN it is rejected THEN it answers no caller, and is not promoted any more
    assert ask("POST", f"/releases/{first}/reject", {"reason": "Too many cats."})[0] == 200
    assert ask("GET", "/canary")[0] == 404
    assert ask("GET", "")[1]["live"] == second
    assert ask("POST", f"/releases/{first}/promote")[0] == 409
    Registry(store).clear_rejection("pets", first)
    # WHEN it is the canary again, and promoted THEN the gate is not asked again about what a person lets answer
    start_canary(Registry(store), "pets", first, 5, lambda _: False)
    assert ask("POST", f"/releases/{first}/promote")[1]["live"] == first
    assert ask("POST", f"/releases/{first}/reject", {"reason": "Too late."})[0] == 409


@pytest.mark.usefixtures("names")
def test_the_policy_is_changed_by_field() -> None:
    default = {"model": "pets", **asdict(DEFAULT_POLICY)}
    assert ask("GET", "/policy") == (200, default)
    assert ask("PUT", "/policy", {"margin": 0.1}) == (200, {**default, "margin": 0.1})
    assert ask("PUT", "/policy", {"not_measurable": "reject"})[1]["margin"] == 0.1
    status, changed = ask("PUT", "/policy", {"canary": 5, "canary_hours": 6, "undecided": "reject", "approval": True})
    assert (status, changed["canary"], changed["canary_hours"], changed["approval"]) == (200, 5, 6.0, True)
    assert ask("GET", "/policy") == (200, changed)
    status, refused = ask("PUT", "/policy", {"margin": -1, "keep": 0, "what": 2})
    assert (status, refused["error"]["code"]) == (400, "invalid_request")
    assert "margin" in refused["error"]["message"]
    assert "keep: is 0" in refused["error"]["message"]
    assert "what" in refused["error"]["message"]


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("path", "body", "hint"),
    [
        ("/rollback", {"revision": 0}, "revision: is 0"),
        ("/rollback", {"to": "x"}, "to: is unknown"),
        ("/releases/none/promote", None, "no release 'none'"),
        ("/releases/none/reject", {"reason": "x"}, "no release 'none'"),
        ("/releases/none/reject", {"reason": "x" * 501}, "reason"),
        ("/releases/none/reject", {}, "reason: is missing"),
    ],
)
def test_a_bad_request_says_what_is_wrong(path: str, body: object, hint: str) -> None:
    status, refused = ask("POST", path, body)
    assert status in (400, 404)
    assert hint in refused["error"]["message"]

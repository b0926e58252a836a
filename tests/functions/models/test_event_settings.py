"""The routes of the settings of live events."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.toys.http_calls import call
from tests.toys.live_store import publish
from tests.toys.rollout import classifier
from tests.toys.shop import write_shop

from larder.events.settings import OFF, EventSettings, SettingsCache
from larder.release.keys import events_key
from larder.store import Store
from models import app

__all__ = ["classifier", "write_shop"]  # fixtures
SETTINGS = "/v1/models/shop/events/settings"


def ask(method: str, path: str, body: object = None) -> tuple[int, Any]:
    return call(app.handler, method, path, body)


def test_settings_are_made_changed_and_read(store: Store) -> None:
    # GIVEN a model without settings
    status, first = ask("GET", SETTINGS)
    assert (status, first["enabled"], first["tracking_id"]) == (200, False, "")
    assert SettingsCache(store, 30).get("shop") == OFF

    # WHEN events are turned on, and then one setting changes
    status, on = ask("PUT", SETTINGS, {"enabled": True, "hidden": ["purchase"]})
    metric = {"name": "revenue", "event_type": "purchase", "expression": "SUM"}
    changed = ask("PUT", SETTINGS, {"exploration_weight": 0.1, "metrics": [metric]})[1]

    # THEN the other settings stay, and so does the tracking id
    assert (status, on["enabled"], len(on["tracking_id"])) == (200, True, 36)
    assert changed == {**on, "exploration_weight": 0.1, "metrics": [metric]}
    assert ask("GET", SETTINGS) == (200, changed)
    assert SettingsCache(store, 30).taking("shop").hidden == ("purchase",)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ({"enabled": 1}, "enabled: must be true or false"),
        ({"recent_events": 101}, "recent_events: is 101; it must be 1 to 100"),
        ({"exploration_weight": 1.5}, "exploration_weight"),
        ({"secret": ["buy"]}, "secret: is unknown"),
        ({"metrics": [{"name": "r", "event_type": "buy", "expression": "MAX"}]}, "metrics.expression"),
        ({"metrics": [{"name": "r"}]}, "metrics.event_type: is missing"),
        ({"metrics": [{"name": "r", "event_type": "b", "expression": "SUM"}] * 11}, "metrics: has 11 entries"),
        ({"metrics": [{"name": "r", "event_type": "b", "expression": "SUM"}] * 2}, "metrics: has a name twice"),
    ],
)
def test_invalid_settings_are_refused_and_change_nothing(body: dict[str, Any], hint: str) -> None:
    before = ask("GET", SETTINGS)
    status, answer = ask("PUT", SETTINGS, body)
    assert (status, answer["error"]["code"]) == (400, "invalid_request")
    assert hint in answer["error"]["message"]
    assert ask("GET", SETTINGS) == before


def test_a_missing_model_and_a_classifier_take_no_events(store: Store, classifier: Callable[..., Path]) -> None:
    publish(store, "pets", classifier())
    status, answer = ask("PUT", "/v1/models/none/events/settings", {"enabled": True})
    assert (status, answer["error"]["code"]) == (404, "not_found")
    status, answer = ask("PUT", "/v1/models/pets/events/settings", {"enabled": True})
    assert status == 400
    assert "takes no events" in answer["error"]["message"]


def test_a_damaged_document_says_what_to_do(store: Store) -> None:
    store.put(events_key("shop"), b'{"format": 1}')
    status, answer = ask("GET", SETTINGS)
    assert status == 503
    assert "larder events on MODEL" in answer["error"]["message"]
    assert EventSettings().enabled

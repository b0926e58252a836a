"""The route of what recommendations earned."""

from typing import Any

import pytest
from tests.larder.events.attribution.test_attribution import RELEASES, answer, event
from tests.toys.http_calls import call

from larder.events.attribution.update import attribute
from larder.events.log.compaction import compact
from larder.events.log.parts import write_parts
from larder.store import Store
from models import app

ROUTE = "/v1/models/shop/attribution"


def ask(path: str = ROUTE, **query: str) -> tuple[int, Any]:
    return call(app.handler, "GET", path, **query)


def test_click_through_and_conversion_by_release(store: Store) -> None:
    rows = [answer(number, "mug", "lamp") for number in range(10)]
    clicks = [event(number, number, "mug") for number in range(4)]
    write_parts(store, [*rows, *clicks, event(9, 0, "mug", type_="purchase", EVENT_VALUE=7.5)])
    compact(store)
    attribute(store)

    status, answered = ask(**{"from": "2026-11-30", "to": "2026-12-01"})

    # THEN shares are of 20 impressions, with the intervals of scipy's binomtest(4, 20).proportion_ci(method="wilson")
    assert status == 200
    clicked, bought = {"rate": 0.2, "interval": [0.080658, 0.416017]}, {"rate": 0.05, "interval": [0.008881, 0.236131]}
    assert answered == {
        "model": "shop",
        "from": "2026-11-30",
        "to": "2026-12-01",
        "by": "release",
        "days": 1,
        "groups": [
            {
                "name": RELEASES[0],
                "impressions": 20,
                "click_through": clicked,
                "conversion": bought,
                "events": {
                    "click": {"count": 4, "value": 0.0, "impressions": 4, **clicked},
                    "purchase": {"count": 1, "value": 7.5, "impressions": 1, **bought},
                },
            }
        ],
        "metrics": [],
    }
    # WHEN the model has a metric THEN it has values for the days before, too
    metric = {"name": "revenue", "event_type": "purchase", "expression": "SUM"}
    assert call(app.handler, "PUT", "/v1/models/shop/events/settings", {"metrics": [metric]})[0] == 200
    assert ask(to="2026-12-01")[1]["metrics"] == [{**metric, "values": {RELEASES[0]: 7.5}}]
    places = ask(by="position", to="2026-12-01")[1]["groups"]
    assert [(group["name"], group["impressions"], group["click_through"]["rate"]) for group in places] == [
        ("1", 10, 0.4),
        ("2", 10, 0.0),
    ]


@pytest.mark.usefixtures("store")
def test_a_model_without_counts_has_no_groups() -> None:
    status, answered = ask()
    assert (status, answered["days"], answered["groups"]) == (200, 0, [])
    assert ask("/v1/models/none/attribution")[0] == 404


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("query", [{"by": "user"}, {"from": "today"}, {"from": "2026-12-02", "to": "2026-12-01"}])
def test_other_parameters_are_refused(query: dict[str, str]) -> None:
    status, answered = ask(**query)
    assert (status, answered["error"]["code"]) == (400, "invalid_request")

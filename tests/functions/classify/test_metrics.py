"""The metrics of predictions: the real handler emits each that docs/reference/metrics.md describes, and no other."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.paths import EVENTS, ROOT

from classify import app
from larder.runtime.cold_start import ColdStart
from larder.runtime.metrics import REQUEST_UNITS
from larder.web import router

Ask = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]


def event(name: str = "image", **headers: str) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads((EVENTS / "classify" / f"{name}.json").read_text())
    return {**sent, "headers": {**sent["headers"], **headers}}


def lines(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines about requests."""
    return [line for line in map(json.loads, capfd.readouterr().out.splitlines()) if "route" in line]


def emitted(line: dict[str, Any]) -> dict[str, float]:
    """The metrics that CloudWatch finds in a line, by the rules of its embedded format."""
    found = {}
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert directive["Namespace"] == "Larder"
        assert all(isinstance(line[name], str) for names in directive["Dimensions"] for name in names)
        for metric in directive["Metrics"]:
            assert metric["Unit"] == REQUEST_UNITS[metric["Name"]]
            found[metric["Name"]] = line[metric["Name"]]
    assert all(isinstance(value, int | float) for value in found.values())
    return found


def documented() -> dict[str, str]:
    """The metrics that the reference describes, with their units."""
    text = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    section = text.partition("## Of predictions")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", section, re.MULTILINE))


def test_each_documented_metric_is_emitted_and_no_other(
    ask: Ask, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router, "cold_start", ColdStart({}))  # so that the next request is a process's first
    assert [ask(event(name))[0] for name in ("image", "truncated")] == [200, 422]
    monkeypatch.setenv("LARDER_STORE", "ftp://wrong")
    app.service.reset()
    assert ask(event())[0] == 500
    first, refused, failed = (emitted(line) for line in lines(capfd))
    assert set(first) == {"Latency", "Unknown", "DecodeTime", "InferenceTime", "ColdStart"}
    assert set(refused) == {"Latency", "ClientErrors"}
    assert set(failed) == {"Latency", "ServerErrors"}
    names = set(first) | set(refused) | set(failed)
    assert names == set(REQUEST_UNITS)
    assert {name: REQUEST_UNITS[name] for name in names} == documented()


def test_the_only_dimension_is_a_model_that_exists(ask: Ask, capfd: pytest.CaptureFixture[str]) -> None:
    assert [ask(event(name))[0] for name in ("image", "unknown-model")] == [200, 404]
    dimensions = [line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] for line in lines(capfd)]
    assert dimensions == [[["model"]], [[]]]


def test_the_line_has_the_first_label_and_the_number_of_labels(ask: Ask, capfd: pytest.CaptureFixture[str]) -> None:
    _, answer = ask(event())
    (line,) = lines(capfd)
    assert (line["label"], line["labels"]) == (answer["labels"][0]["name"], len(answer["labels"]))
    assert line["Unknown"] == int(answer["unknown"])
    assert 0 < line["DecodeTime"] + line["InferenceTime"] <= line["Latency"] == line["ms"]


def test_health_and_requests_that_name_a_release_are_not_measured(ask: Ask, capfd: pytest.CaptureFixture[str]) -> None:
    _, answer = ask(event())
    ask(event("health"))
    ask(event(**{"x-larder-release": answer["release"]}))
    assert ["_aws" in line for line in lines(capfd)] == [True, False, False]

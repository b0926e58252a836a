"""The documents have the template's parameters and sizes, and costs by docs/prices.toml."""

import re
import sys
import tomllib
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]  # ships no types
from tests.paths import ROOT

CONFIGURATION, STACK, COSTS = (
    (ROOT / f"docs/{page}.md").read_text()
    for page in ("reference/configuration", "reference/stack", "explanation/costs")
)
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text())

sys.path.append(str(ROOT))
from benchmarks import costs  # noqa: E402  # a script: no installed package holds it


def test_the_parameters_and_their_defaults_are_documented() -> None:
    documented = dict(re.findall(r"^\| `(\w+)` \| (?:none|`([\w.]+)`) \|", CONFIGURATION, re.MULTILINE))
    assert documented == {name: str(parameter["Default"]) for name, parameter in TEMPLATE["Parameters"].items()}


def test_every_function_and_layer_is_documented_with_its_size() -> None:
    for name, resource in TEMPLATE["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            row = next(line for line in STACK.splitlines() if line.startswith(f"| `{name}`"))
            assert f"{resource['Properties']['MemorySize']} MB" in row
            assert f"{resource['Properties']['Timeout']} s" in row
        elif resource["Type"] == "AWS::Serverless::LayerVersion":
            assert f"`{name}`" in STACK


def test_the_tables_of_costs_are_up_to_date() -> None:
    assert costs.updated(COSTS, costs.tables(costs.read())) == COSTS, "run `python benchmarks/costs.py --write`"


def test_the_costs_match_a_calculation_by_hand() -> None:
    # Two million calls of half a second would be a million GB-seconds of a function with 1 GB.
    prices = {"lambda_x86": 2e-5, "lambda_requests": 0.2, "http_api": 1.0, "logs": 0.5, "snapstart_cache": 1e-6}
    result = costs.Costs(
        {**prices, "snapstart_restore": 1e-4, "provisioned": 4e-6},
        {"classify_ms": 500, "classify_cold_ms": 2000},
        {"log_bytes": 1000},
        {"classify": 1.0},
        alarms=3,
    )
    assert result.calls("classify") == pytest.approx([10, 0.2, 1, 0.5, 11.7])
    assert result.hundred_milliseconds("classify") == pytest.approx(2)
    assert result.cold_starts("classify") == pytest.approx(0.04)
    assert result.restores("classify") == pytest.approx(0.1)
    assert result.snapshot("classify") == pytest.approx(2.592)
    assert result.provisioned("classify") == pytest.approx(10.368)


def test_the_costs_count_the_alarms_of_the_stack(stack: Callable[..., dict[str, Any]]) -> None:
    alarms = [resource for resource in stack().values() if resource["Type"] == "AWS::CloudWatch::Alarm"]
    assert costs.read().alarms == len(alarms)


def test_every_price_has_its_page_and_date_and_is_used() -> None:
    document = tomllib.loads((ROOT / "docs/prices.toml").read_text())
    code = (ROOT / "benchmarks/costs.py").read_text()
    for name, entry in document["prices"].items():
        assert set(entry) == {"dollars", "per", "page", "seen", "date"}, name
        assert isinstance(entry["date"], date), name
        assert f'"{name}"' in code or f"'{name}'" in code, f"{name} is not used"

"""docs/deploy.md tells the template's own parameters and sizes, and its costs follow from the prices it states."""

import re
from pathlib import Path

from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]  # ships no types

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/deploy.md").read_text()
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text())


def test_the_parameters_and_their_defaults_are_told() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (?:none|`(\w+)`) \|", PAGE, re.MULTILINE))
    assert told == {name: str(each["Default"]) for name, each in TEMPLATE["Parameters"].items()}


def test_every_function_and_layer_is_told_with_its_size() -> None:
    for name, each in TEMPLATE["Resources"].items():
        if each["Type"] == "AWS::Serverless::Function":
            row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}`"))
            assert f"{each['Properties']['MemorySize']} MB" in row
            assert f"{each['Properties']['Timeout']} s" in row
        elif each["Type"] == "AWS::Serverless::LayerVersion":
            assert f"`{name}`" in PAGE


def price(pattern: str) -> float:
    """The number that the page states where the pattern's group is."""
    found = re.search(pattern, PAGE)
    assert found, pattern
    return float(found[1])


def test_the_costs_follow_from_the_prices() -> None:
    a_second = price(r"\$([\d.]+) a GB-second")
    rest = [price(r"a GB-second and \$([\d.]+) a million"), price(r"HTTP API \$([\d.]+) a million")]
    rest.append(price(r"taken as (\d+) bytes") / 1000 * price(r"Logs \$([\d.]+) a GB"))
    rows = re.findall(r"^\| (classify|recommend), (\d+) ms \| " + r" \| ".join([r"([\d.]+)"] * 5), PAGE, re.MULTILINE)
    assert len(rows) == 2
    for function, milliseconds, *told in rows:
        memory = TEMPLATE["Resources"][f"{function.title()}Function"]["Properties"]["MemorySize"]
        time = memory / 1024 * int(milliseconds) * 1000 * a_second
        assert [f"{part:.2f}" for part in [time, *rest, time + sum(rest)]] == told

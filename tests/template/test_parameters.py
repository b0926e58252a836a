"""Each parameter changes what it says, and nothing besides: the stack is made with every value and compared."""

from collections.abc import Callable
from typing import Any

import pytest

from larder_local.gateway.cloudformation import Resolver

Tree = dict[str, Any]
Stack = Callable[..., Tree]

ALIASED = ("ClassifyFunction", "RecommendFunction")
TOPIC = "arn:aws:sns:eu-west-1:000000000000:ours"
# A value other than the default, and the properties that it changes ("*" where a resource comes or goes).
CHANGES: dict[str, tuple[str, set[str]]] = {
    "Architecture": ("arm64", {"Architectures", "CompatibleArchitectures", "Description"}),
    "Authorization": ("NONE", {"AuthorizationType"}),
    "LogRetentionDays": ("7", {"RetentionInDays"}),
    "RequestsPerSecond": ("5", {"DefaultRouteSettings"}),
    "RequestBurst": ("5", {"DefaultRouteSettings"}),
    "Monitoring": ("false", {"*"}),
    "AlarmEmail": ("someone@example.com", {"*", "AlarmActions"}),
    "AlarmTopic": (TOPIC, {"AlarmActions"}),
    "Tracing": ("true", {"*", "TracingConfig", "Description"}),
    "SnapStart": ("true", {"SnapStart", "Description"}),
    "ClassifyProvisioned": ("2", {"ProvisionedConcurrencyConfig"}),
    "RecommendProvisioned": ("2", {"ProvisionedConcurrencyConfig"}),
    "PreloadModels": ("digits,shop", {"Environment", "Description"}),
}


def differences(one: Tree, other: Tree) -> set[str]:
    """The names of the properties that differ anywhere, and "*" where the resources do."""
    found = {"*"} if set(one) != set(other) else set()
    for name in set(one) & set(other):
        before, after = one[name].get("Properties", {}), other[name].get("Properties", {})
        found |= {key for key in {*before, *after} if before.get(key) != after.get(key)}
    return found


def test_every_parameter_is_tested_here(template: Tree) -> None:
    assert set(template["Parameters"]) == set(CHANGES)


@pytest.mark.parametrize("parameter", CHANGES)
def test_a_parameter_changes_what_it_says_and_nothing_else(stack: Stack, parameter: str) -> None:
    value, expected = CHANGES[parameter]
    assert differences(stack(), stack(**{parameter: value})) == expected


def properties(made: Tree, kind: str, name: str) -> dict[str, Any]:
    """One property of every resource of a type, by logical id, where it is set."""
    return {
        logical_id: each["Properties"][name]
        for logical_id, each in made.items()
        if each["Type"] == kind and name in each["Properties"]
    }


def test_the_architecture_is_that_of_functions_and_layers(stack: Stack) -> None:
    made = stack(Architecture="arm64")
    functions = properties(made, "AWS::Lambda::Function", "Architectures")
    layers = properties(made, "AWS::Lambda::LayerVersion", "CompatibleArchitectures")
    assert len(functions) > 2
    assert len(layers) > 1
    assert all(each == ["arm64"] for each in [*functions.values(), *layers.values()])


def test_snapshots_are_for_the_functions_with_an_alias(stack: Stack) -> None:
    on = properties(stack(SnapStart="true"), "AWS::Lambda::Function", "SnapStart")
    assert on == {key: {"ApplyOn": "PublishedVersions"} for key in ALIASED}
    off = properties(stack(), "AWS::Lambda::Function", "SnapStart")
    assert off == {key: {"ApplyOn": "None"} for key in ALIASED}


@pytest.mark.parametrize(("function", "other"), [("Classify", "Recommend"), ("Recommend", "Classify")])
def test_instances_are_kept_warm_for_the_function_that_asks(stack: Stack, function: str, other: str) -> None:
    made = stack(**{f"{function}Provisioned": "3"})
    kept = properties(made, "AWS::Lambda::Alias", "ProvisionedConcurrencyConfig")
    assert kept == {f"{function}FunctionAliaslive": {"ProvisionedConcurrentExecutions": "3"}}
    assert f"{other}FunctionAliaslive" in made


@pytest.mark.parametrize("parameter", CHANGES)
def test_a_parameter_that_changes_a_function_makes_a_new_version_of_it(stack: Stack, parameter: str) -> None:
    # A version never changes, and CloudFormation does not look inside the function: a new description is what makes it
    # publish another version, with which the parameter comes into force.
    before, after = stack(), stack(**{parameter: CHANGES[parameter][0]})
    changed = differences(*({name: each for name, each in made.items() if name in ALIASED} for made in (before, after)))
    described = [properties(made, "AWS::Lambda::Version", "Description") for made in (before, after)]
    assert (described[0] != described[1]) == bool(changed)
    assert all(len(text) <= 256 for each in described for text in each.values())


@pytest.mark.parametrize(
    ("parameters", "accepted"),
    [
        ({}, True),
        ({"SnapStart": "true"}, True),
        ({"ClassifyProvisioned": "1", "RecommendProvisioned": "1"}, True),
        ({"SnapStart": "true", "ClassifyProvisioned": "1"}, False),
        ({"SnapStart": "true", "RecommendProvisioned": "1"}, False),
    ],
)
def test_snapstart_with_provisioned_instances_is_refused(
    template: Tree, parameters: dict[str, str], accepted: bool
) -> None:
    for name, value in parameters.items():
        template["Parameters"][name]["Default"] = value
    (rule,) = template["Rules"].values()
    (assertion,) = rule["Assertions"]
    assert Resolver(template).resolve(assertion["Assert"]) is accepted

"""Each parameter changes what it documents, and nothing else: stacks with both values are compared."""

from collections.abc import Callable
from typing import Any

import pytest

from larder_local.gateway.cloudformation import Resolver

Tree = dict[str, Any]
Stack = Callable[..., Tree]

ALIASED = ("ClassifyFunction", "RecommendFunction")
TOPIC = "arn:aws:sns:eu-west-1:000000000000:ours"
KMS_KEY = "arn:aws:kms:eu-west-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
IMAGE = "000000000000.dkr.ecr.eu-west-1.amazonaws.com/larder-training:1"
# A value other than the default, and the properties that it changes ("*" if it adds or removes resources).
CHANGES: dict[str, tuple[str, set[str]]] = {
    "Architecture": ("arm64", {"Architectures", "CompatibleArchitectures", "Description"}),
    "Authorization": ("AWS_IAM", {"AuthorizationType", "Environment", "Description"}),
    "KeysKmsKey": (KMS_KEY, {"*"}),
    "LogRetentionDays": ("7", {"RetentionInDays"}),
    "RequestsPerSecond": ("5", {"DefaultRouteSettings"}),
    "RequestBurst": ("5", {"DefaultRouteSettings"}),
    "Monitoring": ("false", {"*"}),
    "AlarmEmail": ("someone@example.com", {"*", "AlarmActions"}),
    "AlarmTopic": (TOPIC, {"AlarmActions"}),
    "Tracing": ("true", {"*", "TracingConfig", "TracingConfiguration", "Description"}),
    "Events": ("false", {"Enabled", "Environment", "Description"}),
    "TrainingImage": (IMAGE, {"Environment"}),
    "TrainingInstance": ("ml.m5.large", {"Environment"}),
    "TrainingMaxHours": ("24", {"Environment"}),
    "SnapStart": ("true", {"SnapStart", "Description"}),
    "ClassifyProvisioned": ("2", {"ProvisionedConcurrencyConfig"}),
    "RecommendProvisioned": ("2", {"ProvisionedConcurrencyConfig"}),
    "HeartbeatMinutes": ("0", {"*", "DashboardBody"}),
    "HeartbeatKey": ("LK" + 18 * "A", {"Environment"}),
    "PreloadModels": ("digits,shop", {"Environment", "Description"}),
    "DefaultClassifier": ("digits", {"Environment", "Description"}),
}


def differences(one: Tree, other: Tree) -> set[str]:
    """The names of the properties that differ, and "*" if the resources do."""
    names = {"*"} if set(one) != set(other) else set()
    for name in set(one) & set(other):
        before, after = one[name].get("Properties", {}), other[name].get("Properties", {})
        names |= {key for key in {*before, *after} if before.get(key) != after.get(key)}
    return names


def test_every_parameter_is_tested_here(template: Tree) -> None:
    assert set(template["Parameters"]) == set(CHANGES)


@pytest.mark.parametrize("parameter", CHANGES)
def test_a_parameter_changes_only_what_it_documents(stack: Stack, parameter: str) -> None:
    value, expected = CHANGES[parameter]
    assert differences(stack(), stack(**{parameter: value})) == expected


def properties(deployed: Tree, kind: str, name: str) -> dict[str, Any]:
    """One property of all resources of a type that have it, by logical id."""
    return {
        logical_id: resource["Properties"][name]
        for logical_id, resource in deployed.items()
        if resource["Type"] == kind and name in resource["Properties"]
    }


def test_the_architecture_is_that_of_functions_and_layers(stack: Stack) -> None:
    deployed = stack(Architecture="arm64")
    functions = properties(deployed, "AWS::Lambda::Function", "Architectures")
    layers = properties(deployed, "AWS::Lambda::LayerVersion", "CompatibleArchitectures")
    assert len(functions) > 2
    assert len(layers) > 1
    assert all(resource == ["arm64"] for resource in [*functions.values(), *layers.values()])


def test_snapshots_are_for_the_functions_with_an_alias(stack: Stack) -> None:
    on = properties(stack(SnapStart="true"), "AWS::Lambda::Function", "SnapStart")
    assert on == {key: {"ApplyOn": "PublishedVersions"} for key in ALIASED}
    off = properties(stack(), "AWS::Lambda::Function", "SnapStart")
    assert off == {key: {"ApplyOn": "None"} for key in ALIASED}


@pytest.mark.parametrize(("function", "other"), [("Classify", "Recommend"), ("Recommend", "Classify")])
def test_instances_are_provisioned_for_one_function(stack: Stack, function: str, other: str) -> None:
    deployed = stack(**{f"{function}Provisioned": "3"})
    provisioned = properties(deployed, "AWS::Lambda::Alias", "ProvisionedConcurrencyConfig")
    assert provisioned == {f"{function}FunctionAliaslive": {"ProvisionedConcurrentExecutions": "3"}}
    assert f"{other}FunctionAliaslive" in deployed


@pytest.mark.parametrize("parameter", CHANGES)
def test_a_parameter_that_changes_a_function_creates_a_new_version(stack: Stack, parameter: str) -> None:
    # Versions are immutable, and CloudFormation does not compare functions: only a new description makes it publish
    # another version, with which the parameter takes effect.
    before, after = stack(), stack(**{parameter: CHANGES[parameter][0]})
    changed = differences(
        *({name: resource for name, resource in deployed.items() if name in ALIASED} for deployed in (before, after))
    )
    described = [properties(deployed, "AWS::Lambda::Version", "Description") for deployed in (before, after)]
    assert (described[0] != described[1]) == bool(changed)
    assert all(len(text) <= 256 for resource in described for text in resource.values())


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

"""What the stack is made of: nothing circular, nothing fixed, no route without code and no code without a route."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.paths import ROOT

from larder.runtime.settings import RolloutSettings, Settings

Tree = dict[str, Any]
Stack = Callable[..., Tree]
ALIAS = "AWS::Lambda::Alias"


def of_type(resources: Tree, kind: str) -> Tree:
    """The properties of the resources of one type."""
    return {name: each.get("Properties", {}) for name, each in resources.items() if each["Type"] == kind}


def references(value: object) -> Iterator[str]:
    """Every logical id that a value names by Ref, GetAtt or Sub."""
    if isinstance(value, list):
        for each in value:
            yield from references(each)
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "Ref":
                yield each
            elif key == "Fn::GetAtt":
                yield each.split(".")[0] if isinstance(each, str) else each[0]
            elif key == "Fn::Sub":
                text = each if isinstance(each, str) else each[0]
                yield from re.findall(r"\$\{([\w:]+)[.}]", text)
            yield from references(each)


def test_no_resource_depends_on_itself_by_any_way(resources: Tree) -> None:
    # `sam validate` and cfn-lint both pass a circular dependency; only a deployment would tell.
    edges = {name: {found for found in references(each) if found in resources} for name, each in resources.items()}
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        if name not in done:
            for following in edges[name]:
                walk(following, (*path, name))
            done.add(name)

    for name in edges:
        walk(name, ())


def test_every_reference_exists(resources: Tree, template: Tree) -> None:
    known = set(resources) | set(template["Parameters"])
    assert {name for name in references(resources) if not name.startswith("AWS")} <= known


def test_no_name_account_or_region_is_written_down(template: Tree) -> None:
    # A fixed name keeps a second stack from standing beside the first, and a changed resource from being replaced.
    for name, each in template["Resources"].items():
        if each["Type"] != "AWS::Lambda::Permission":  # there it is a reference
            assert not {"FunctionName", "BucketName", "RoleName", "LogGroupName", "LayerName"} & set(
                each["Properties"]
            ), name
            assert not {"AlarmName", "DashboardName", "TopicName"} & set(each["Properties"]), name
    assert not re.search(r"\b\d{12}\b|\b(us|eu|ap)-[a-z]+-\d\b", (ROOT / "template.yaml").read_text())


def test_the_bucket_is_closed_encrypted_versioned_and_told_to_eventbridge(resources: Tree) -> None:
    (bucket,) = of_type(resources, "AWS::S3::Bucket").values()
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert any("AbortIncompleteMultipartUpload" in rule for rule in bucket["LifecycleConfiguration"]["Rules"])
    (policy,) = of_type(resources, "AWS::S3::BucketPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert resources["Bucket"]["DeletionPolicy"] == "Retain"


def test_no_rule_of_the_bucket_deletes_a_release(resources: Tree) -> None:
    # S3 knows an object's age and not whether live.json names it: the oldest release may be the one that answers.
    (bucket,) = of_type(resources, "AWS::S3::Bucket").values()
    for rule in bucket["LifecycleConfiguration"]["Rules"]:
        assert rule["Status"] == "Enabled"
        assert not {"Expiration", "ExpirationInDays", "ExpirationDate"} & set(rule)
        # Of the storage classes, the ones that answer a GET at once.
        assert {each["StorageClass"] for each in rule.get("Transitions", [])} <= {"INTELLIGENT_TIERING"}


def test_each_function_states_its_size_time_log_and_layers(resources: Tree) -> None:
    functions, logs = of_type(resources, "AWS::Lambda::Function"), of_type(resources, "AWS::Logs::LogGroup")
    groups = [each["LoggingConfig"]["LogGroup"]["Ref"] for each in functions.values()]
    assert len(set(groups)) == len(functions), "a log group of its own, so that its role can be held to it"
    for name, each in functions.items():
        assert 128 <= each["MemorySize"] <= 10240
        assert each["Timeout"] <= 900
        assert each["LoggingConfig"]["LogFormat"] == "JSON"
        assert any(layer["Ref"].startswith("LarderLayer") for layer in each["Layers"]), name
    assert {each["RetentionInDays"]["Ref"] for each in logs.values()} == {"LogRetentionDays"}
    assert functions["ClassifyFunction"]["MemorySize"] == 1769, "exactly one vCPU"
    for name in set(routed(resources).values()):
        assert functions[name]["Timeout"] < 30, "API Gateway gives up after 30 s"


def environments(resources: Tree) -> Mapping[str, Mapping[str, Any]]:
    functions = of_type(resources, "AWS::Lambda::Function")
    return {name: each["Environment"]["Variables"] for name, each in functions.items()}


def test_the_environment_is_what_settings_read_and_nothing_else(resources: Tree) -> None:
    for name, variables in environments(resources).items():
        read = fields(RolloutSettings if name == "RolloutFunction" else Settings)
        assert set(variables) == {f"LARDER_{each.name.upper()}" for each in read if each.name != "vcpus"}, (
            name
        )  # Lambda's


def test_settings_accept_the_environment(resources: Tree) -> None:
    for name, variables in environments(resources).items():
        assert variables["LARDER_STORE"] == {"Fn::Sub": "s3://${Bucket}"}
        if name == "RolloutFunction":
            continue
        settings = Settings.from_environment({**variables, "LARDER_STORE": "s3://toy", "LARDER_PRELOAD": ""})
        function = of_type(resources, "AWS::Lambda::Function")[name]
        assert settings.cache_dir.is_relative_to("/tmp")  # noqa: S108  # the one folder of a Lambda that can be written
        # What is kept must fit where it is kept: on /tmp, and in memory beside the interpreter.
        assert settings.cache_bytes < function["EphemeralStorage"]["Size"] * 2**20
        assert settings.cache_bytes < function["MemorySize"] * 2**20 or name == "ModelsFunction"  # opens no model


def test_every_handler_can_be_imported_and_every_function_is_deployed(template: Tree) -> None:
    functions = of_type(template["Resources"], "AWS::Serverless::Function")
    assert template["Globals"]["Function"]["Handler"] == "app.handler"
    folders = [Path(each["CodeUri"]).name for each in functions.values()]
    assert sorted(folders) == sorted(path.parent.name for path in ROOT.glob("functions/*/app.py"))
    for folder in folders:
        assert callable(import_module(f"{folder}.app").handler)


def routed(resources: Tree) -> dict[str, str]:
    """From each route's key to the function that answers it."""
    integrations = of_type(resources, "AWS::ApiGatewayV2::Integration")
    target = re.compile(r"integrations/\$\{(\w+)\}")
    found = {}
    for route in of_type(resources, "AWS::ApiGatewayV2::Route").values():
        integration = target.fullmatch(route["Target"]["Fn::Sub"])
        assert integration
        called = integrations[integration[1]]
        assert (called["IntegrationType"], called["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")
        found[route["RouteKey"]] = next(references(called["IntegrationUri"]))
    return found


def coded(folder: str) -> list[tuple[str, re.Pattern[str]]]:
    """The methods and paths that a function's router answers."""
    resolver = import_module(f"{folder}.app").router.resolver
    routes = [(route.method, route.rule) for route in resolver._static_routes + resolver._dynamic_routes]
    return [
        (method, rule) for methods, rule in routes for method in ([methods] if isinstance(methods, str) else methods)
    ]


def test_every_route_has_its_code_and_every_code_its_route(resources: Tree) -> None:
    asked = {function.removesuffix("Function").lower() for function in routed(resources).values()}
    unanswered = {(folder, *route) for folder in asked for route in coded(folder)}
    for key, function in routed(resources).items():
        method, _, path = key.partition(" ")
        sample = re.sub(r"\{(\w+)\}", r"some-\1", path)
        folder = function.removesuffix("Function").lower()
        found = {(folder, verb, rule) for verb, rule in coded(folder) if verb == method and rule.match(sample)}
        assert found, f"{key}: {folder} has no code for it"
        unanswered -= found
    assert not unanswered, "code without a route in the template"


def test_api_gateway_calls_what_it_may_call_and_nothing_else_is_open_to_it(stack: Stack) -> None:
    made = stack()
    aliases = {f"{each['FunctionName']}.Arn:{each['Name']}": name for name, each in of_type(made, ALIAS).items()}
    permissions = [
        each
        for each in of_type(made, "AWS::Lambda::Permission").values()
        if each["Principal"] == "apigateway.amazonaws.com"
    ]
    called = {each["IntegrationUri"] for each in of_type(made, "AWS::ApiGatewayV2::Integration").values()}
    assert {each["FunctionName"] for each in permissions} == {aliases.get(uri, uri) for uri in called}
    assert all(each["SourceArn"].endswith(":Api/*") for each in permissions)


def test_functions_that_people_wait_for_are_called_by_an_alias(stack: Stack) -> None:
    # A snapshot and provisioned instances belong to a version, and an alias says which.
    assert sorted(each["FunctionName"] for each in of_type(stack(), ALIAS).values()) == [
        "ClassifyFunction",
        "RecommendFunction",
    ]


def test_the_rollout_asks_what_callers_are_answered_by(stack: Stack) -> None:
    made = stack()
    aliases = {each["FunctionName"]: name for name, each in of_type(made, ALIAS).items()}
    rollout = of_type(made, "AWS::Lambda::Function")["RolloutFunction"]
    settings = RolloutSettings.from_environment({**rollout["Environment"]["Variables"], "LARDER_STORE": "s3://toy"})
    assert (settings.classify_function, settings.recommend_function) == (
        aliases["ClassifyFunction"],
        aliases["RecommendFunction"],
    )


def test_a_manifest_in_the_bucket_and_nothing_else_begins_a_rollout(stack: Stack) -> None:
    made = stack()
    (rule,) = of_type(made, "AWS::Events::Rule").values()
    pattern = rule["EventPattern"]
    event = json.loads((ROOT / "tests/events/rollout/manifest-created.json").read_text())
    assert (pattern["source"], pattern["detail-type"]) == ([event["source"]], [event["detail-type"]])
    assert pattern["detail"]["bucket"] == {"name": ["Bucket"]}
    (key,) = pattern["detail"]["object"]["key"]
    assert fnmatchcase(event["detail"]["object"]["key"], key["wildcard"])
    for other in ("models/pets/live.json", "models/pets/releases/r/model.onnx", "models/pets/releases/r/rejected.json"):
        assert not fnmatchcase(other, key["wildcard"])
    (target,) = rule["Targets"]
    assert target["Arn"] == "RolloutFunction.Arn"
    (permission,) = [
        each
        for each in of_type(made, "AWS::Lambda::Permission").values()
        if each["Principal"] == "events.amazonaws.com"
    ]
    assert (permission["FunctionName"], permission["SourceArn"]) == ("RolloutFunction.Arn", "RolloutRule.Arn")


def versions(made: Tree) -> dict[str, str]:
    """From each version's logical id to its description: CloudFormation makes a new one where either changes."""
    return {name: each["Description"] for name, each in of_type(made, "AWS::Lambda::Version").items()}


def test_what_changes_the_code_of_a_function_makes_a_new_version_of_it(stack: Stack) -> None:
    before, after = versions(stack()), versions(stack(larder_layer="s3://packaged/newer"))
    assert len(after) == len(before) == 2
    assert not set(before) & set(after)


def test_old_versions_go_with_their_snapshots(stack: Stack) -> None:
    for name in versions(stack()):
        assert stack()[name]["DeletionPolicy"] == "Delete"


def test_only_health_and_the_description_are_always_open(resources: Tree, template: Tree) -> None:
    routes = of_type(resources, "AWS::ApiGatewayV2::Route").values()
    by_parameter = {"Ref": "Authorization"}
    assert {each["RouteKey"] for each in routes if each["AuthorizationType"] != by_parameter} == {
        "GET /health",
        "GET /openapi.json",
    }
    assert template["Parameters"]["Authorization"]["Default"] == "AWS_IAM"


def test_outputs_say_where_to_call_and_where_to_publish(template: Tree) -> None:
    assert set(template["Outputs"]) == {"Url", "Bucket"}

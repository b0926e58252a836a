"""The stack: no circular dependencies, no fixed names, and exactly the routes that handlers have."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.paths import ROOT

from larder.runtime.settings import EventLogSettings, HeartbeatSettings, RolloutSettings, Settings, TrainingSettings

Tree = dict[str, Any]
Stack = Callable[..., Tree]
ALIAS = "AWS::Lambda::Alias"


def of_type(resources: Tree, kind: str) -> Tree:
    """The properties of the resources of one type."""
    return {name: resource.get("Properties", {}) for name, resource in resources.items() if resource["Type"] == kind}


def references(value: object) -> Iterator[str]:
    """Every logical id that a value references by Ref, GetAtt or Sub."""
    if isinstance(value, list):
        for resource in value:
            yield from references(resource)
    if isinstance(value, dict):
        for key, resource in value.items():
            if key == "Ref":
                yield resource
            elif key == "Fn::GetAtt":
                yield resource.split(".")[0] if isinstance(resource, str) else resource[0]
            elif key == "Fn::Sub":
                text, own = (resource, {}) if isinstance(resource, str) else resource
                yield from (name for name in re.findall(r"\$\{([\w:]+)[.}]", text) if name not in own)
            yield from references(resource)


def test_there_are_no_circular_dependencies(resources: Tree) -> None:
    # `sam validate` and cfn-lint accept circular dependencies; only a deployment would fail.
    edges = {
        name: {target for target in references(resource) if target in resources} for name, resource in resources.items()
    }
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


def test_there_is_no_fixed_name_account_or_region(template: Tree) -> None:
    # With fixed names, an account could not have two stacks, and changed resources could not be replaced.
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::Lambda::Permission":  # a reference there
            assert not {
                "FunctionName",
                "BucketName",
                "RoleName",
                "LogGroupName",
                "LayerName",
                "StateMachineName",
            } & set(resource["Properties"]), name
            assert not (resource["Type"].startswith("AWS::Scheduler") and "Name" in resource["Properties"]), name
            assert not {"AlarmName", "DashboardName", "TopicName"} & set(resource["Properties"]), name
    assert not re.search(r"\b\d{12}\b|\b(us|eu|ap)-[a-z]+-\d\b", (ROOT / "template.yaml").read_text())


def test_the_bucket_is_private_encrypted_versioned_and_sends_events(resources: Tree) -> None:
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
    # S3 knows the age of an object, but not whether it is live: the oldest release may be.
    (bucket,) = of_type(resources, "AWS::S3::Bucket").values()
    for rule in bucket["LifecycleConfiguration"]["Rules"]:
        assert rule["Status"] == "Enabled"
        assert not {"Expiration", "ExpirationInDays", "ExpirationDate"} & set(rule)
        # the storage classes with immediate access
        assert {resource["StorageClass"] for resource in rule.get("Transitions", [])} <= {"INTELLIGENT_TIERING"}


def test_each_function_has_size_timeout_logs_and_layers(resources: Tree) -> None:
    functions, logs = of_type(resources, "AWS::Lambda::Function"), of_type(resources, "AWS::Logs::LogGroup")
    groups = [resource["LoggingConfig"]["LogGroup"]["Ref"] for resource in functions.values()]
    assert len(set(groups)) == len(functions), "its own log group, to which its role is restricted"
    for name, resource in functions.items():
        assert 128 <= resource["MemorySize"] <= 10240
        assert resource["Timeout"] <= 900
        assert resource["LoggingConfig"]["LogFormat"] == "JSON"
        assert any(layer["Ref"].startswith("LarderLayer") for layer in resource["Layers"]), name
    assert {resource["RetentionInDays"]["Ref"] for resource in logs.values()} == {"LogRetentionDays"}
    assert functions["ClassifyFunction"]["MemorySize"] == 1769, "exactly one vCPU"
    for name in set(routed(resources).values()):
        assert functions[name]["Timeout"] < 30, "API Gateway times out after 30 s"


TRAINING = {"image": "training_image", "role": "training_role", "instance": "training_instance"} | {
    "max_hours": "training_max_hours"
}
"""Settings whose variables have longer names."""


def environments(resources: Tree) -> Mapping[str, Mapping[str, Any]]:
    functions = of_type(resources, "AWS::Lambda::Function")
    return {name: resource["Environment"]["Variables"] for name, resource in functions.items()}


SETTINGS: Mapping[str, type] = {
    "RolloutFunction": RolloutSettings,
    "EventLogFunction": EventLogSettings,
    "HeartbeatFunction": HeartbeatSettings,
    "TrainingFunction": TrainingSettings,
}
"""The settings of the functions that answer no requests."""
UNASKED = {"RolloutFunction", "EventLogFunction", "TrainingFunction"}
"""The functions that no caller asks, and that ask no API."""
TAKE_EVENTS = {"RecommendFunction", "EventsFunction"}
"""The functions that write or read live events."""


def test_the_environment_has_exactly_the_settings(resources: Tree) -> None:
    for name, variables in environments(resources).items():
        read = fields(SETTINGS.get(name, Settings))
        others = {"vcpus", "region"}  # Lambda's own
        others |= set() if name in TAKE_EVENTS else {"events_store", "events_queue"}
        assert set(variables) == {
            f"LARDER_{TRAINING.get(field.name, field.name).upper()}" for field in read if field.name not in others
        }, name


def test_settings_accept_the_environment(resources: Tree, template: Tree) -> None:
    for name, variables in environments(resources).items():
        assert variables["LARDER_STORE"] == {"Fn::Sub": "s3://${Bucket}"}
        if name in SETTINGS:
            continue
        optional = {"LARDER_STORE": "s3://toy", "LARDER_PRELOAD": "", "LARDER_DEFAULT_CLASSIFIER": ""}
        if name in TAKE_EVENTS:
            optional |= {"LARDER_EVENTS_STORE": "dynamodb://toy", "LARDER_EVENTS_QUEUE": "https://toy"}
        optional["LARDER_AUTHORIZATION"] = template["Parameters"]["Authorization"]["Default"]
        settings = Settings.from_environment({**variables, **optional})
        function = of_type(resources, "AWS::Lambda::Function")[name]
        assert settings.cache_dir.is_relative_to("/tmp")  # noqa: S108  # the only writable folder of a Lambda
        # The cache must fit into /tmp, and loaded models into memory.
        assert settings.cache_bytes < function["EphemeralStorage"]["Size"] * 2**20
        assert settings.cache_bytes < function["MemorySize"] * 2**20 or name == "ModelsFunction"  # loads no model


def test_every_handler_can_be_imported_and_every_function_is_deployed(template: Tree) -> None:
    functions = of_type(template["Resources"], "AWS::Serverless::Function")
    assert template["Globals"]["Function"]["Handler"] == "app.handler"
    folders = [Path(resource["CodeUri"]).name for resource in functions.values()]
    assert sorted(folders) == sorted(path.parent.name for path in ROOT.glob("functions/*/app.py"))
    for folder in folders:
        assert callable(import_module(f"{folder}.app").handler)


def routed(resources: Tree) -> dict[str, str]:
    """The function of each route, by the route's key."""
    integrations = of_type(resources, "AWS::ApiGatewayV2::Integration")
    target = re.compile(r"integrations/\$\{(\w+)\}")
    functions = {}
    for route in of_type(resources, "AWS::ApiGatewayV2::Route").values():
        integration = target.fullmatch(route["Target"]["Fn::Sub"])
        assert integration
        called = integrations[integration[1]]
        assert (called["IntegrationType"], called["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")
        functions[route["RouteKey"]] = next(references(called["IntegrationUri"]))
    return functions


def coded(folder: str) -> list[tuple[str, re.Pattern[str]]]:
    """The methods and paths of a function's router."""
    router = import_module(f"{folder}.app").router
    router.add_lazy_routes()
    resolver = router.resolver
    routes = [(route.method, route.rule) for route in resolver._static_routes + resolver._dynamic_routes]
    return [
        (method, rule) for methods, rule in routes for method in ([methods] if isinstance(methods, str) else methods)
    ]


def test_the_routes_are_exactly_those_of_the_handlers(resources: Tree) -> None:
    folders = {function.removesuffix("Function").lower() for function in routed(resources).values()}
    unrouted = {(folder, *route) for folder in folders for route in coded(folder)}
    for key, function in routed(resources).items():
        method, _, path = key.partition(" ")
        sample = re.sub(r"\{(\w+)\}", r"some-\1", path)
        folder = function.removesuffix("Function").lower()
        matches = {(folder, verb, rule) for verb, rule in coded(folder) if verb == method and rule.match(sample)}
        assert matches, f"{key}: {folder} has no handler for it"
        unrouted -= matches
    assert not unrouted, "handlers without a route in the template"


def test_api_gateway_may_call_exactly_what_it_calls(stack: Stack) -> None:
    deployed = stack()
    aliases = {
        f"{resource['FunctionName']}.Arn:{resource['Name']}": name
        for name, resource in of_type(deployed, ALIAS).items()
    }
    permissions = [
        resource
        for resource in of_type(deployed, "AWS::Lambda::Permission").values()
        if resource["Principal"] == "apigateway.amazonaws.com"
    ]
    called = {resource["IntegrationUri"] for resource in of_type(deployed, "AWS::ApiGatewayV2::Integration").values()}
    assert {resource["FunctionName"] for resource in permissions} == {aliases.get(uri, uri) for uri in called}
    assert all(resource["SourceArn"].endswith(":Api/*") for resource in permissions)


def test_functions_on_the_request_path_have_an_alias(stack: Stack) -> None:
    # Snapshots and provisioned instances belong to a version, which the alias selects.
    assert sorted(resource["FunctionName"] for resource in of_type(stack(), ALIAS).values()) == [
        "ClassifyFunction",
        "RecommendFunction",
    ]


def test_the_rollout_probes_the_functions_that_serve(stack: Stack) -> None:
    deployed = stack()
    aliases = {resource["FunctionName"]: name for name, resource in of_type(deployed, ALIAS).items()}
    rollout = of_type(deployed, "AWS::Lambda::Function")["RolloutFunction"]
    settings = RolloutSettings.from_environment({**rollout["Environment"]["Variables"], "LARDER_STORE": "s3://toy"})
    assert (settings.classify_function, settings.recommend_function) == (
        aliases["ClassifyFunction"],
        aliases["RecommendFunction"],
    )


def test_only_a_manifest_in_the_bucket_starts_a_rollout(stack: Stack) -> None:
    deployed = stack()
    rule = of_type(deployed, "AWS::Events::Rule")["RolloutRule"]
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
        resource
        for resource in of_type(deployed, "AWS::Lambda::Permission").values()
        if resource["Principal"] == "events.amazonaws.com" and resource["SourceArn"] == "RolloutRule.Arn"
    ]
    assert permission["FunctionName"] == "RolloutFunction.Arn"


@pytest.mark.parametrize(
    ("name", "case", "others"),
    [
        (
            "TrainingRequestRule",
            "request-created",
            (
                "models/shop/training-jobs/20260201t000000z-0a1b2c3d/status.json",
                "models/shop/training-jobs/current.json",
            ),
        ),
        ("ScheduleRule", "schedule-written", ("models/shop/live.json", "models/shop/policy.json")),
    ],
)
def test_only_requests_and_schedules_reach_the_training(
    stack: Stack, name: str, case: str, others: tuple[str, ...]
) -> None:
    pattern = of_type(stack(), "AWS::Events::Rule")[name]["EventPattern"]
    event = json.loads((ROOT / f"tests/events/training/{case}.json").read_text())
    assert event["detail-type"] in pattern["detail-type"]
    assert (pattern["source"], pattern["detail"]["bucket"]) == ([event["source"]], {"name": ["Bucket"]})
    (key,) = pattern["detail"]["object"]["key"]
    assert fnmatchcase(event["detail"]["object"]["key"], key["wildcard"])
    assert not any(fnmatchcase(other, key["wildcard"]) for other in others)


def test_alarms_about_drift_reach_the_training(stack: Stack) -> None:
    deployed = stack()
    detail = of_type(deployed, "AWS::Events::Rule")["DriftRule"]["EventPattern"]["detail"]
    event = json.loads((ROOT / "tests/events/training/drift-alarm.json").read_text())
    function = of_type(deployed, "AWS::Lambda::Function")["TrainingFunction"]
    (prefix,) = detail["alarmName"]
    assert prefix == {"prefix": function["Environment"]["Variables"]["LARDER_DRIFT_ALARMS"]}
    assert event["detail"]["state"]["value"] in detail["state"]["value"]


def test_a_request_starts_the_state_machine_that_calls_the_training_function(stack: Stack) -> None:
    deployed = stack()
    machine = of_type(deployed, "AWS::StepFunctions::StateMachine")["Retrain"]
    assert machine["DefinitionSubstitutions"]["TrainingFunction"] == "TrainingFunction.Arn"
    assert machine["StateMachineType"] == "STANDARD", "an express one ends after five minutes"
    (target,) = of_type(deployed, "AWS::Events::Rule")["TrainingRequestRule"]["Targets"]
    assert (target["Arn"], target["RoleArn"]) == ("Retrain", "TrainingRequestRole.Arn")
    for name in ("ScheduleRule", "DriftRule"):
        (target,) = of_type(deployed, "AWS::Events::Rule")[name]["Targets"]
        assert target["Arn"] == "TrainingFunction.Arn"
    allowed = {
        resource["SourceArn"]
        for resource in of_type(deployed, "AWS::Lambda::Permission").values()
        if resource["FunctionName"] == "TrainingFunction.Arn"
    }
    assert allowed == {"ScheduleRule.Arn", "DriftRule.Arn"}


def test_the_queue_and_a_schedule_call_the_event_log(stack: Stack) -> None:
    deployed = stack()
    (source,) = of_type(deployed, "AWS::Lambda::EventSourceMapping").values()
    assert (source["EventSourceArn"], source["FunctionName"]) == ("EventsQueue.Arn", "EventLogFunction")
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    queue, function = deployed["EventsQueue"]["Properties"], deployed["EventLogFunction"]["Properties"]
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"], "Lambda's guide on SQS"
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": "EventsDeadLetters.Arn", "maxReceiveCount": 5}
    (target,) = [target for _, target in scheduled(deployed) if target["Arn"] == "EventLogFunction.Arn"]
    assert json.loads(target["Input"]) == {"task": "compact"}


def scheduled(deployed: Tree) -> list[tuple[str, Any]]:
    """The expression and the target of each schedule."""
    rules = [rule for rule in of_type(deployed, "AWS::Events::Rule").values() if "ScheduleExpression" in rule]
    return [(rule["ScheduleExpression"], target) for rule in rules for target in rule["Targets"]]


@pytest.mark.parametrize(("minutes", "expression"), [("1", "rate(1 minute)"), ("60", "rate(60 minutes)")])
def test_the_heartbeat_comes_as_often_as_the_parameter_says(stack: Stack, minutes: str, expression: str) -> None:
    deployed = stack(HeartbeatMinutes=minutes)
    assert expression in [found for found, target in scheduled(deployed) if target["Arn"] == "HeartbeatFunction.Arn"]
    assert deployed["Unavailable"]["Properties"]["Period"] == 60 * int(minutes)
    assert environments(deployed)["HeartbeatFunction"]["LARDER_HEARTBEAT_MINUTES"] == minutes


def test_without_a_heartbeat_nothing_of_it_exists(stack: Stack) -> None:
    assert "Heartbeat" in json.dumps(stack())
    assert "Heartbeat" not in json.dumps(stack(HeartbeatMinutes="0"))


def test_without_events_nothing_reads_the_queue_and_models_take_none(stack: Stack) -> None:
    deployed = stack(Events="false")
    (source,) = of_type(deployed, "AWS::Lambda::EventSourceMapping").values()
    assert source["Enabled"] is False
    for name in TAKE_EVENTS & set(deployed):
        variables = deployed[name]["Properties"]["Environment"]["Variables"]
        assert (variables["LARDER_EVENTS_STORE"], variables["LARDER_EVENTS_QUEUE"]) == ("", "")


def versions(deployed: Tree) -> dict[str, str]:
    """The description of each version by its logical id; CloudFormation creates a new version if either changes."""
    return {name: resource["Description"] for name, resource in of_type(deployed, "AWS::Lambda::Version").items()}


def test_new_code_creates_a_new_version(stack: Stack) -> None:
    before, after = versions(stack()), versions(stack(larder_layer="s3://packaged/newer"))
    assert len(after) == len(before) == 2
    assert not set(before) & set(after)


def test_old_versions_are_deleted_with_their_snapshots(stack: Stack) -> None:
    for name in versions(stack()):
        assert stack()[name]["DeletionPolicy"] == "Delete"


def test_only_health_checks_the_openapi_document_and_the_script_of_pages_are_always_public(
    resources: Tree, template: Tree
) -> None:
    routes = of_type(resources, "AWS::ApiGatewayV2::Route").values()
    by_parameter = {"Fn::If": ["IsSignedByIam", "AWS_IAM", "NONE"]}
    assert {resource["RouteKey"] for resource in routes if resource["AuthorizationType"] != by_parameter} == {
        "GET /health",
        "GET /openapi.json",
        "GET /events.js",
        "GET /ping",
        "GET /oauth/2.0/token",
        "POST /oauth/2.0/token",
        "GET /v2/health/live",
        "GET /v2/health/ready",
    }
    assert template["Parameters"]["Authorization"]["Default"] == "KEYS"


@pytest.mark.parametrize("authorization", ["KEYS", "AWS_IAM", "NONE"])
def test_only_iam_is_checked_by_the_front_door(stack: Stack, authorization: str) -> None:
    deployed = stack(Authorization=authorization)
    types = {resource["AuthorizationType"] for resource in of_type(deployed, "AWS::ApiGatewayV2::Route").values()}
    assert types == ({"AWS_IAM", "NONE"} if authorization == "AWS_IAM" else {"NONE"})
    functions = of_type(deployed, "AWS::Lambda::Function")
    stated = {
        name: function["Environment"]["Variables"].get("LARDER_AUTHORIZATION") for name, function in functions.items()
    }
    assert stated == dict.fromkeys(functions, authorization) | dict.fromkeys(UNASKED)


def test_outputs_are_the_url_the_bucket_and_the_role_of_training_jobs(template: Tree) -> None:
    assert set(template["Outputs"]) == {"Url", "Bucket", "TrainingJobRole"}

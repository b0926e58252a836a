"""The stack as CloudFormation will see it: template.yaml, translated in this process as ``sam deploy`` has it done."""

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from larder.settings import Settings

ROOT = Path(__file__).parents[2]
FUNCTIONS = ("classify", "models", "recommend")
BASIC = "AWSLambdaBasicExecutionRole"
# What SAM reads from AWS when it translates; nothing is called here.
MANAGED = {BASIC: f"arn:aws:iam::aws:policy/service-role/{BASIC}"}

Tree = dict[str, Any]


class Policies:
    """Stands for the list of managed policies that SAM loads from AWS."""

    @staticmethod
    def load() -> dict[str, str]:
        return MANAGED


@cache
def written() -> str:
    """The template as it is written, with CloudFormation's short forms (``!Ref``) spelt out, as JSON."""
    from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]  # ships no types

    return json.dumps(yaml_parse((ROOT / "template.yaml").read_text()))


@cache
def translated() -> str:
    """Plain CloudFormation, as JSON; made once, since it takes a second."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # samtranslator's own, about its own code
        from samtranslator.translator.transform import transform  # type: ignore[import-untyped]  # ships no types

        tree: Tree = json.loads(written())
        for resource in tree["Resources"].values():  # as `sam package` leaves them
            for place in ("CodeUri", "ContentUri"):
                if place in resource.get("Properties", {}):
                    resource["Properties"][place] = "s3://packaged/object"
        return json.dumps(transform(tree, {}, Policies()))


@pytest.fixture
def template() -> Tree:
    """The template as it is written."""
    tree: Tree = json.loads(written())
    return tree


@pytest.fixture
def resources(monkeypatch: pytest.MonkeyPatch) -> Tree:
    """The plain CloudFormation resources, by logical id."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    found: Tree = json.loads(translated())["Resources"]
    return found


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
                yield from re.findall(r"\$\{(\w+)[.}]", text)
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
    assert not re.search(r"\b\d{12}\b|\b(us|eu|ap)-[a-z]+-\d\b", written())


def statements(resources: Tree) -> Iterator[tuple[str, Tree]]:
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


def test_every_function_may_only_read_prefixes_that_it_needs(resources: Tree) -> None:
    granted: dict[str, set[str]] = {}
    for role, statement in statements(resources):
        assert statement["Effect"] == "Allow"
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        resource = statement["Resource"]
        for action in actions:
            assert "*" not in action
            if action == "s3:ListBucket":
                assert resource == {"Fn::GetAtt": ["Bucket", "Arn"]}
                condition = statement["Condition"]["StringLike"]["s3:prefix"]
            else:
                condition = resource["Fn::Sub"].removeprefix("${Bucket.Arn}/")
            granted.setdefault(role, set()).add(f"{action} {condition}")
    reads = {"s3:GetObject models/*", "s3:ListBucket models/*"}
    assert granted == {
        "ClassifyFunctionRole": reads | {"s3:GetObject uploads/*"},
        "ModelsFunctionRole": reads,
        "RecommendFunctionRole": reads,
    }


def test_roles_are_for_lambda_and_have_no_other_policy(resources: Tree) -> None:
    for role in of_type(resources, "AWS::IAM::Role").values():
        trusted = role["AssumeRolePolicyDocument"]["Statement"]
        assert [each["Principal"] for each in trusted] == [{"Service": ["lambda.amazonaws.com"]}]
        assert role["ManagedPolicyArns"] == [MANAGED[BASIC]]


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


def test_each_function_states_its_size_time_log_and_layers(resources: Tree) -> None:
    functions = of_type(resources, "AWS::Lambda::Function")
    logs = of_type(resources, "AWS::Logs::LogGroup")
    sizes = {name: (each["MemorySize"], each["Timeout"]) for name, each in functions.items()}
    assert sizes == {"ClassifyFunction": (1769, 29), "RecommendFunction": (512, 10), "ModelsFunction": (256, 10)}
    for name, each in functions.items():
        assert each["LoggingConfig"]["LogFormat"] == "JSON"
        assert logs[each["LoggingConfig"]["LogGroup"]["Ref"]] == {"RetentionInDays": {"Ref": "LogRetentionDays"}}
        assert len(each["Layers"]) == (2 if name == "ClassifyFunction" else 1)
        assert each["Timeout"] < 30, "API Gateway gives up after 30 s"


def environments(resources: Tree) -> Mapping[str, Mapping[str, Any]]:
    functions = of_type(resources, "AWS::Lambda::Function")
    return {name: each["Environment"]["Variables"] for name, each in functions.items()}


def test_the_environment_is_what_settings_read_and_nothing_else(resources: Tree) -> None:
    wanted = {f"LARDER_{field.name.upper()}" for field in fields(Settings) if field.name != "vcpus"}  # Lambda sets it
    for name, variables in environments(resources).items():
        assert set(variables) == wanted, name


def test_settings_accept_the_environment(resources: Tree) -> None:
    for name, variables in environments(resources).items():
        assert variables["LARDER_STORE"] == {"Fn::Sub": "s3://${Bucket}"}
        settings = Settings.from_environment({**variables, "LARDER_STORE": "s3://toy"})
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
        found[route["RouteKey"]] = called["IntegrationUri"]["Fn::GetAtt"][0]
    return found


def coded(folder: str) -> list[tuple[str, re.Pattern[str]]]:
    """The methods and paths that a function's router answers."""
    app = import_module(f"{folder}.app").app
    routes = [(route.method, route.rule) for route in app._static_routes + app._dynamic_routes]
    return [
        (method, rule) for methods, rule in routes for method in ([methods] if isinstance(methods, str) else methods)
    ]


def test_every_route_has_its_code_and_every_code_its_route(resources: Tree) -> None:
    unanswered = {(folder, *route) for folder in FUNCTIONS for route in coded(folder)}
    for key, function in routed(resources).items():
        method, _, path = key.partition(" ")
        sample = re.sub(r"\{(\w+)\}", r"some-\1", path)
        folder = function.removesuffix("Function").lower()
        found = {(folder, verb, rule) for verb, rule in coded(folder) if verb == method and rule.match(sample)}
        assert found, f"{key}: {folder} has no code for it"
        unanswered -= found
    assert not unanswered, "code without a route in the template"


def test_api_gateway_may_call_each_function_and_nobody_else_may(resources: Tree) -> None:
    permissions = of_type(resources, "AWS::Lambda::Permission").values()
    called = sorted(each["FunctionName"]["Fn::GetAtt"][0] for each in permissions)
    assert called == sorted(of_type(resources, "AWS::Lambda::Function"))
    for each in permissions:
        assert each["Principal"] == "apigateway.amazonaws.com"
        assert "${Api}" in each["SourceArn"]["Fn::Sub"]


def test_only_health_and_the_description_are_always_open(resources: Tree, template: Tree) -> None:
    routes = of_type(resources, "AWS::ApiGatewayV2::Route").values()
    by_parameter = {"Ref": "Authorization"}
    assert {each["RouteKey"] for each in routes if each["AuthorizationType"] != by_parameter} == {
        "GET /health",
        "GET /openapi.json",
    }
    assert template["Parameters"]["Authorization"]["Default"] == "AWS_IAM"


def test_a_parameter_chooses_the_architecture(resources: Tree) -> None:
    for each in of_type(resources, "AWS::Lambda::Function").values():
        assert each["Architectures"] == [{"Ref": "Architecture"}]
    for each in of_type(resources, "AWS::Lambda::LayerVersion").values():
        assert each["CompatibleArchitectures"] == [{"Ref": "Architecture"}]


def test_outputs_say_where_to_call_and_where_to_publish(template: Tree) -> None:
    assert set(template["Outputs"]) == {"Url", "Bucket"}

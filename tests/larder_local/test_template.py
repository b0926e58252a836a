"""The gateway reads functions and routes from a SAM template."""

from pathlib import Path

import pytest
from tests.paths import ROOT

from larder.errors import SettingsError
from larder_local.gateway.template import find_template, load

SERVICE = Path(__file__).parent / "service"


def test_a_function_has_its_own_properties_over_the_globals() -> None:
    echo = load(SERVICE / "template.yaml").functions["Echo"]

    assert echo.handler == "app.handler"
    assert echo.code == SERVICE / "echo"
    assert echo.layers == (SERVICE / "layer",)
    assert (echo.timeout, echo.memory, echo.json_logs) == (3, 256, True)
    assert echo.environment == {
        "SHARED": "from-globals",
        "STAGE": "test",
        "STORE": "s3://Bucket/test",
        "CHOSEN": "yes",
        "JOINED": "a-us-east-1",
    }


def test_a_function_whose_condition_does_not_hold_is_left_out() -> None:
    template = load(SERVICE / "template.yaml")

    assert set(template.functions) == {"Echo", "Lab", "Broken"}
    assert template.functions["Lab"].timeout == 2


def test_routes_are_http_api_events_and_route_resources() -> None:
    keys = [route.key for route in load(SERVICE / "template.yaml").routes]

    assert keys == [
        "GET /things/exact",
        "GET /things/{thing}",
        "ANY /things",
        "POST /things",
        "ANY /rest/{proxy+}",
        "ANY /lab/{action}",
        "GET /broken",
    ]


def test_the_template_of_the_project_can_be_served() -> None:
    template = load(find_template(ROOT))

    assert {"ClassifyFunction", "RecommendFunction", "ModelsFunction"} <= set(template.functions)
    for function in template.functions.values():
        assert (function.code / "app.py").is_file()
        assert function.timeout <= 30 or function.takes_messages  # no caller waits for those
        assert any((layer / "larder").is_dir() for layer in function.layers)
        assert function.environment.get("LARDER_REFRESH_SECONDS") == "30" or function.takes_messages
    keys = {route.key for route in template.routes}
    assert {
        "POST /v1/models/{model}/classify",
        "GET /v1/models/{model}/recommend",
        "GET /v1/models",
        "GET /health",
    } <= keys


def _template(folder: Path, properties: str) -> Path:
    path = folder / "template.yaml"
    path.write_text(
        f"Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n{properties}", encoding="utf-8"
    )
    return path


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    wrong = ("CodeUri: nowhere/", "Handler: app", "Timeout: 0", "MemorySize: much", "Layers: [!Ref L]")
    route = "  R: {Type: AWS::ApiGatewayV2::Route, Properties: {RouteKey: GET /, Target: x}}\n"
    path = _template(tmp_path, "".join(f"      {line}\n" for line in wrong) + route)

    with pytest.raises(SettingsError) as caught:
        load(path)

    problems = "\n".join(caught.value.problems)
    for field in ("F.CodeUri", "F.Handler", "F.Timeout", "F.MemorySize", "F.Layers", "R.Target", "HttpApi"):
        assert field in problems


@pytest.mark.parametrize(
    ("timeout", "message"),
    [
        ("!ImportValue x", "Fn::ImportValue"),
        ("!If [Missing, 1, 2]", "Missing"),
        ("!FindInMap [A, such, map]", "'A'"),
        ("!Join x", "list"),
    ],
)
def test_a_function_that_needs_a_stack_is_named(tmp_path: Path, timeout: str, message: str) -> None:
    path = _template(tmp_path, f"      CodeUri: .\n      Handler: a.b\n      Timeout: {timeout}\n")

    with pytest.raises(SettingsError, match=message):
        load(path)


@pytest.mark.parametrize("text", ["", "- a list", "a: [unclosed", "a: !!python/object:os.system x"])
def test_another_document_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(SettingsError, match=r"template\.yaml"):
        load(path)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('!Select [1, !Split [",", "a,b"]]', "b"),
        ('!Sub ["${A}-${!B}", {A: !Ref "AWS::Region"}]', "us-east-1-${B}"),
        ("!GetAtt Thing.Arn", "Thing.Arn"),
        ("!And [!Equals [a, a], !Or [!Equals [a, b], !Equals [c, c]]]", "true"),
        ('!Equals [0, "0"]', "true"),
        ("{'Fn::Join': ['', [a, b]]}", "ab"),
    ],
)
def test_intrinsic_functions(tmp_path: Path, expression: str, value: str) -> None:
    properties = f"      CodeUri: .\n      Handler: a.b\n      Environment: {{Variables: {{X: {expression}}}}}\n"
    events = "      Events: {E: {Type: HttpApi, Properties: {Path: /x, Method: GET}}}\n"

    assert load(_template(tmp_path, properties + events)).functions["F"].environment == {"X": value}

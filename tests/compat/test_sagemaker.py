"""boto3's SageMaker Runtime client, unmodified, and the contract of an inference container."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.compat.conftest import BLUE, RED, REGION, Endpoint
from tests.paths import ROOT

from larder.registry.aliases import set_alias
from larder.release.keys import pointer_key
from larder.store import open_store

Client = Any  # boto3 makes its clients' classes at run time

RED_TEXT = base64.b64encode(RED).decode()
BLUE_TEXT = base64.b64encode(BLUE).decode()


def connect(endpoint: Endpoint, path: str = "") -> Client:
    return boto3.client(
        "sagemaker-runtime",
        endpoint_url=f"{endpoint.url}{path}",
        region_name=REGION,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        config=Config(retries={"max_attempts": 0}),
    )


@pytest.fixture(scope="module")
def client(endpoint: Endpoint) -> Iterator[Client]:
    client = connect(endpoint)
    yield client
    client.close()


@pytest.fixture(scope="module")
def recommenders(endpoint: Endpoint) -> Iterator[Client]:
    client = connect(endpoint, "/recommenders")
    yield client
    client.close()


@pytest.fixture(scope="module")
def releases(endpoint: Endpoint) -> list[str]:
    """The releases of ``colours``, the live one first."""
    return sorted((path.name for path in (endpoint.store / "models/colours/releases").iterdir()), reverse=True)


def invoke(client: Client, body: object, *, name: str = "colours", **options: str) -> dict[str, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    options = options or ({} if isinstance(body, bytes) else {"ContentType": "application/json"})
    document: dict[str, Any] = json.loads(
        client.invoke_endpoint(EndpointName=name, Body=data, **options)["Body"].read()
    )
    return document


def best(prediction: Mapping[str, Any]) -> str:
    name: str = prediction["labels"][0]["name"]
    return name


# ------------------------------------------------------------------------------------------------------ Classifiers


@pytest.mark.parametrize("kind", [None, "image/jpeg", "application/x-image", "application/octet-stream"])
def test_an_image_is_classified(client: Client, releases: list[str], kind: str | None) -> None:
    document = invoke(client, RED, **({"ContentType": kind} if kind else {}))
    assert (document["model"], document["release"], best(document)) == ("colours", releases[0], "red")
    assert document["unknown"] is False


def test_json_with_one_image_is_the_native_request(client: Client) -> None:
    assert len(invoke(client, {"image": BLUE_TEXT, "min_confidence": 0})["labels"]) == 3
    assert best(invoke(client, {"object": "uploads/red.jpg"})) == "red"
    document = client.invoke_endpoint(EndpointName="colours", Body=json.dumps({"image": BLUE_TEXT}))
    assert best(json.loads(document["Body"].read())) == "blue", "without a content type"


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [RED_TEXT, BLUE_TEXT]},
        {"instances": [{"b64": RED_TEXT}, {"b64": BLUE_TEXT}]},
        {"instances": [{"image": {"b64": RED_TEXT}}, {"image": BLUE_TEXT, "side": {}}]},
        {"inputs": [RED_TEXT, BLUE_TEXT]},
        {"inputs": {"image": [RED_TEXT, BLUE_TEXT]}},
        {"inputs": {"anything": [RED_TEXT, BLUE_TEXT]}},
        {"dataframe_split": {"columns": ["image"], "data": [[RED_TEXT], [BLUE_TEXT]]}},
        {"dataframe_split": {"columns": [0], "index": [0, 1], "data": [[RED_TEXT], [BLUE_TEXT]]}},
        {"dataframe_records": [{"image": RED_TEXT}, {"object": "uploads/red.jpg"}]},
    ],
)
def test_forms_with_several_images_get_predictions(client: Client, body: object) -> None:
    document = invoke(client, body)
    second = "red" if "uploads" in json.dumps(body) else "blue"
    assert [best(prediction) for prediction in document["predictions"]] == ["red", second]
    assert set(document) == {"predictions"}


def test_parameters_are_for_all_images(client: Client) -> None:
    document = invoke(client, {"inputs": RED_TEXT, "params": {"min_confidence": 0, "max_labels": 2}})
    (prediction,) = document["predictions"]
    assert [label["name"] for label in prediction["labels"]] == ["red", "green"]


def test_headers_name_the_release_and_are_sent_back(client: Client, releases: list[str]) -> None:
    sent = {"InferenceId": "request-7", "CustomAttributes": "trace=a,b c"}
    for variant, release in (("AllTraffic", releases[0]), (releases[1], releases[1])):
        answer = client.invoke_endpoint(
            EndpointName="colours", Body=RED, TargetVariant=variant, Accept="application/json", **sent
        )
        assert answer["InvokedProductionVariant"] == release
        assert answer["CustomAttributes"] == sent["CustomAttributes"]
        assert answer["ContentType"] == "application/json"
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        assert headers["x-amzn-sagemaker-inference-id"] == "request-7"
        assert headers["x-larder-release"] == release
        assert json.loads(answer["Body"].read())["release"] == release


def test_aliases_target_models_and_components_name_models(client: Client, endpoint: Endpoint) -> None:
    set_alias(open_store(endpoint.store.as_uri()), "Prod-Endpoint-7", "colours")
    assert best(invoke(client, RED, name="Prod-Endpoint-7")) == "red"
    assert best(invoke(client, RED, name="many", TargetModel="models/colours.tar.gz")) == "red"
    assert best(invoke(client, RED, name="many", InferenceComponentName="colours")) == "red"


# ----------------------------------------------------------------------------------------------------------- Errors


@pytest.mark.parametrize(
    ("status", "message", "body", "options"),
    [
        (415, "These 8 bytes are of an unknown format", b"no image", {}),
        (415, "CSV of features is not supported", b"1.0,2.0\n", {"ContentType": "text/csv"}),
        (415, "application/x-npy", b"\x93NUMPY", {"ContentType": "application/x-npy"}),
        (422, "truncated", RED[:200], {"ContentType": "image/jpeg"}),
        (406, "Accept is 'text/csv'", RED, {"Accept": "text/csv"}),
        (404, "upload it first", {"object": "uploads/none.jpg"}, {}),
        (400, "not JSON", b"{", {"ContentType": "application/json"}),
        (400, "Input 1: image is not base64", {"instances": [RED_TEXT, "!"]}, {}),
        (415, "Input 1: These 3 bytes", {"instances": [RED_TEXT, "AAAA"]}, {}),
        (400, "Input 0: It is not an image", {"instances": [[0.1, 0.2]]}, {}),
        (400, "Input 0: It is not an image", {"dataframe_records": [{"a": RED_TEXT, "b": 1}]}, {}),
        (400, "side has 'PLACE'", {"dataframe_records": [{"image": RED_TEXT, "PLACE": "Berlin"}]}, {}),
        (400, "send 1 to 100", {"instances": []}, {}),
        (400, "send 1 to 100", {"instances": [RED_TEXT] * 101}, {}),
        (400, "send one of them", {"instances": [RED_TEXT], "inputs": RED_TEXT}, {}),
        (400, "differ in length", {"inputs": {"image": [RED_TEXT], "PLACE": []}}, {}),
        (400, "as pandas writes it", {"dataframe_split": {"data": []}}, {}),
        (400, "one value for each column", {"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, {}),
        (400, "list of objects", {"dataframe_records": ["x"]}, {}),
        (400, "'top_k' is not a field", {"inputs": RED_TEXT, "params": {"top_k": 1}}, {}),
    ],
)
def test_what_the_model_refuses_is_a_model_error(
    client: Client, status: int, message: str, body: object, options: dict[str, str]
) -> None:
    with pytest.raises(client.exceptions.ModelError) as raised:
        invoke(client, body, **options)
    response = raised.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == status
    assert message in json.loads(response["OriginalMessage"])["error"]["message"]
    assert message in response["Error"]["Message"]
    assert response["Error"]["Message"].startswith(f"Received client error ({status}) from the model")
    assert response["LogStreamArn"] == ""


def test_a_damaged_release_is_a_model_error(client: Client) -> None:
    with pytest.raises(client.exceptions.ModelError, match="differs from its manifest"):
        invoke(client, RED, name="broken")


@pytest.mark.parametrize(
    ("message", "name", "options"),
    [
        ("does not exist", "no-such-model", {}),
        ("recommender", "shop", {}),
        ("has no release 'blue-variant'", "colours", {"TargetVariant": "blue-variant"}),
        ("Session-Id is not supported", "colours", {"SessionId": "NEW_SESSION"}),
        ("Enable-Explanations is not supported", "colours", {"EnableExplanations": "`true`"}),
        ("Container-Hostname is not supported", "colours", {"TargetContainerHostname": "second"}),
        ("at most 1024 printable", "colours", {"CustomAttributes": "x" * 1025}),
    ],
)
def test_a_wrong_name_or_header_is_a_validation_error(
    client: Client, message: str, name: str, options: dict[str, str]
) -> None:
    with pytest.raises(client.exceptions.ValidationError, match=message):
        invoke(client, RED, name=name, **options)


def test_a_model_without_a_live_release_is_not_ready(client: Client) -> None:
    with pytest.raises(client.exceptions.ModelNotReadyException, match="No release of model draft is live"):
        invoke(client, RED, name="draft")


def test_a_release_that_is_lost_is_an_internal_dependency(client: Client) -> None:
    with pytest.raises(client.exceptions.InternalDependencyException, match="does not exist") as raised:
        invoke(client, RED, name="lost")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 530


def test_a_store_that_fails_is_unavailable(client: Client, endpoint: Endpoint) -> None:
    pointer = endpoint.store / pointer_key("stuck")
    pointer.parent.mkdir()
    pointer.symlink_to(pointer)  # which no reader can follow
    try:
        with pytest.raises(client.exceptions.ServiceUnavailable, match="The store failed"):
            invoke(client, RED, name="stuck")
    finally:
        pointer.unlink()
        pointer.parent.rmdir()


def test_asynchronous_and_streamed_inference_are_refused(client: Client) -> None:
    with pytest.raises(client.exceptions.ValidationError, match="use InvokeEndpoint"):
        client.invoke_endpoint_async(EndpointName="colours", InputLocation="s3://larder/uploads/red.jpg")
    with pytest.raises(client.exceptions.ValidationError, match="use InvokeEndpoint"):
        client.invoke_endpoint_with_response_stream(EndpointName="colours", Body=RED)


# ----------------------------------------------------------------------------------------------------- Recommenders


def test_a_recommender_answers_below_its_own_path(recommenders: Client) -> None:
    document = invoke(recommenders, {"user": "ada", "n": 2}, name="shop")
    assert [item["id"] for item in document["items"]] == ["egg", "fig"]
    assert (document["model"], document["known"]) == ("shop", True)


@pytest.mark.parametrize(
    "body",
    [
        {"instances": ["ada", {"session": ["egg"]}], "params": {"n": 1}},
        {"inputs": ["ada", {"session": ["egg"]}], "params": {"n": 1}},
        {"dataframe_records": [{"user": "ada"}, {"session": ["egg"]}], "params": {"n": 1}},
    ],
)
def test_a_recommender_takes_several_queries(recommenders: Client, body: object) -> None:
    predictions = invoke(recommenders, body, name="shop")["predictions"]
    assert [[item["id"] for item in prediction["items"]] for prediction in predictions] == [["egg"], ["fig"]]


def test_a_recommenders_errors_are_the_same(recommenders: Client) -> None:
    with pytest.raises(recommenders.exceptions.ModelError, match="is not a field here") as raised:
        invoke(recommenders, {"usr": "ada"}, name="shop")
    assert raised.value.response["OriginalStatusCode"] == 400
    with pytest.raises(recommenders.exceptions.ModelError, match="send the fields of a recommendation"):
        invoke(recommenders, b"1,2", name="shop", ContentType="text/csv")
    with pytest.raises(recommenders.exceptions.ValidationError, match="classifier"):
        invoke(recommenders, {"user": "ada"}, name="colours")


# -------------------------------------------------------------------------------------------- Inference containers


def test_the_contract_of_a_container(endpoint: Endpoint) -> None:
    assert endpoint.call("GET", "/ping").status == 200
    assert endpoint.call("GET", "/ping").body == b""
    json_type = {"content-type": "application/json"}
    answer = endpoint.call("POST", "/invocations", json.dumps({"inputs": [RED_TEXT]}).encode(), json_type)
    assert [best(prediction) for prediction in json.loads(answer.body)["predictions"]] == ["red"]
    answer = endpoint.call("POST", "/invocations", BLUE, {"content-type": "image/png"})
    assert best(json.loads(answer.body)) == "blue"
    refused = endpoint.call("POST", "/invocations", b"1,2", {"content-type": "text/csv"})
    assert (refused.status, json.loads(refused.body)["error"]["code"]) == (415, "unsupported_media")
    refused = endpoint.call("POST", "/invocations", RED, {"accept": "text/csv"})
    assert refused.status == 406


# ------------------------------------------------------------------------------------------------------ Environment


def run(program: list[str | Path], endpoint: Endpoint, folder: Path, path: str = "") -> str:
    """Runs a program in which the environment alone names the service; returns its output."""
    (folder / "red.jpg").write_bytes(RED)
    url = {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": f"{endpoint.url}{path}"}
    return subprocess.run(  # noqa: S603  # this interpreter and our own program
        [sys.executable, *program],
        cwd=folder,
        env={"PATH": os.defpath, **url, **endpoint.environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_environment_alone_leads_an_unmodified_program_here(endpoint: Endpoint, tmp_path: Path) -> None:
    program = (
        "import boto3\n"
        "body = open('red.jpg', 'rb').read()\n"
        "answer = boto3.client('sagemaker-runtime').invoke_endpoint(EndpointName='colours', Body=body)\n"
        "print(answer['Body'].read().decode())\n"
    )
    assert best(json.loads(run(["-c", program], endpoint, tmp_path))) == "red"


def test_the_documented_example_prints_labels(endpoint: Endpoint, tmp_path: Path) -> None:
    output = run([ROOT / "examples/clients/sagemaker.py", "colours", "red.jpg"], endpoint, tmp_path)
    assert output.startswith("red 0.99")

"""Unmodified clients of other services against the built bundle: at least one call of each protocol."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.exceptions import ClientError
from google.cloud import vision
from tests.larder_local.conftest import Up
from tests.paths import ROOT
from tritonclient.http import (  # type: ignore[import-untyped]  # ships no types
    InferenceServerClient,
    InferInput,
    InferRequestedOutput,
)
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # ships no types

pytestmark = pytest.mark.e2e

PERSONALIZE = "arn:aws:personalize:us-east-1:123456789012"
ARN = "arn:aws:rekognition:us-east-1:123456789012:project/digits"


def connect(up: Up, service: str, path: str = "") -> Any:  # noqa: ANN401  # boto3 makes its clients' classes at run time
    assert up.key is not None, "larder up has made a key"
    access_key, _, secret_key = up.key.partition(".")
    connect: Any = boto3.client  # whose types have an overload for each service
    return connect(
        service,
        endpoint_url=f"{up.address}{path}",
        region_name="eu-west-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
    )


def test_rekognition(up: Up, store: Path) -> None:
    client = connect(up, "rekognition")
    image = {"Bytes": (store / "uploads/1.png").read_bytes()}
    labels = client.detect_custom_labels(ProjectVersionArn=f"{ARN}/version/v1/1", Image=image)["CustomLabels"]
    assert labels[0]["Name"] == "1"
    stored = {"S3Object": {"Bucket": "larder", "Name": "uploads/1.png"}}
    assert client.detect_labels(Image=stored, MinConfidence=0, MaxLabels=2)["Labels"][0]["Name"] == "1"
    (version,) = client.describe_project_versions(ProjectArn=f"{ARN}/1")["ProjectVersionDescriptions"]
    assert version["Status"] == "RUNNING"
    assert 0 < version["EvaluationResult"]["F1Score"] <= 1
    with pytest.raises(client.exceptions.InvalidImageFormatException):
        client.detect_labels(Image={"Bytes": b"no image"})
    client.close()


def test_sagemaker_for_classifiers(up: Up, store: Path) -> None:
    client = connect(up, "sagemaker-runtime")
    image = (store / "uploads/1.png").read_bytes()
    answer = client.invoke_endpoint(EndpointName="digits", Body=image, ContentType="image/png")
    assert json.loads(answer["Body"].read())["labels"][0]["name"] == "1"
    with pytest.raises(client.exceptions.ModelError):
        client.invoke_endpoint(EndpointName="digits", Body=b"1,2", ContentType="text/csv")
    client.close()


def test_sagemaker_for_recommenders(up: Up) -> None:
    client = connect(up, "sagemaker-runtime", "/recommenders")
    answer = client.invoke_endpoint(EndpointName="shop", Body=json.dumps({"instances": ["ada"], "params": {"n": 2}}))
    (prediction,) = json.loads(answer["Body"].read())["predictions"]
    assert len(prediction["items"]) == 2
    client.close()


def test_an_inference_container(up: Up, store: Path) -> None:
    assert up.ask("/ping").status == 200
    answer = up.ask("/invocations", (store / "uploads/1.png").read_bytes(), {"content-type": "image/png"})
    assert json.loads(answer.body)["labels"][0]["name"] == "1"


def test_personalize_runtime(up: Up) -> None:
    client = connect(up, "personalize-runtime")
    native = [item["id"] for item in json.loads(up.ask("/v1/models/shop/recommend?user=ada").body)["items"]]
    answer = client.get_recommendations(campaignArn=f"{PERSONALIZE}:campaign/shop", userId="ada")
    assert [item["itemId"] for item in answer["itemList"]] == native
    ranking = client.get_personalized_ranking(
        campaignArn=f"{PERSONALIZE}:campaign/shop", userId="ada", inputList=[*reversed(native), "unknown"]
    )
    assert [item["itemId"] for item in ranking["personalizedRanking"]][-1] == "unknown"
    assert sum(item.get("score", 0) for item in ranking["personalizedRanking"]) == pytest.approx(1)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_recommendations(campaignArn=f"{PERSONALIZE}:campaign/pest", userId="ada")
    client.close()


def test_personalizes_control_plane(up: Up) -> None:
    client, runtime = connect(up, "personalize", "/personalize"), connect(up, "personalize-runtime")
    group = f"{PERSONALIZE}:dataset-group/shop"
    expression = 'INCLUDE ItemID WHERE Items.KIND IN ("fruit")'
    arn = client.create_filter(name="fruit", datasetGroupArn=group, filterExpression=expression)["filterArn"]
    (campaign,) = connect(up, "personalize").list_campaigns()["campaigns"]
    answer = runtime.get_recommendations(campaignArn=campaign["campaignArn"], userId="ada", filterArn=arn)
    assert {item["itemId"] for item in answer["itemList"]} == {"apple", "cherry", "fig"}
    client.delete_filter(filterArn=arn)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.describe_filter(filterArn=arn)
    runtime.close()
    client.close()


def test_open_inference_for_classifiers_and_recommenders(up: Up, store: Path) -> None:
    headers = {"x-api-key": up.key}
    image = np.array([[(store / "uploads/1.png").read_bytes()]], np.object_)
    user = np.array([[b"ada"]], np.object_)
    with InferenceServerClient(up.address.removeprefix("http://")) as client:
        assert client.is_server_ready()
        inputs = [InferInput("image", [1, 1], "BYTES").set_data_from_numpy(image)]
        outputs = [InferRequestedOutput("probabilities", class_count=1)]
        result = client.infer(
            "digits",
            inputs,
            outputs=outputs,
            headers=dict(headers),
            request_compression_algorithm="gzip",
            response_compression_algorithm="gzip",
        )
        assert result.as_numpy("probabilities")[0, 0].decode().split(":")[2] == "1"
        inputs = [InferInput("user", [1, 1], "BYTES").set_data_from_numpy(user)]
        assert client.infer("shop", inputs, headers=dict(headers)).as_numpy("items")[0, 0] == b"egg"
        with pytest.raises(InferenceServerException, match=r"\[404\] Model 'pest' does not exist"):
            client.infer("pest", inputs, headers=dict(headers))


def test_google_vision(up: Up, store: Path) -> None:
    options = {"api_endpoint": up.address, "api_key": up.key}
    client = vision.ImageAnnotatorClient(transport="rest", client_options=options)
    image = vision.Image(content=(store / "uploads/1.png").read_bytes())
    assert client.label_detection(image=image).label_annotations[0].description == "1"
    stored = vision.Image(source=vision.ImageSource(gcs_image_uri="gs://larder/uploads/1.png"))
    assert client.label_detection(image=stored).label_annotations[0].description == "1"


@pytest.mark.parametrize("service", ["rekognition", "sagemaker-runtime"])
def test_another_secret_is_refused(up: Up, service: str) -> None:
    assert up.key is not None, "larder up has made a key"
    client = connect(Up(up.process, up.address, f"{up.key[:-1]}!", up.printed), service)
    call = client.describe_projects if service == "rekognition" else None
    with pytest.raises(ClientError, match="InvalidSignatureException"):
        call() if call else client.invoke_endpoint(EndpointName="digits", Body=b"x")
    client.close()


def test_the_documented_examples_run(up: Up, store: Path) -> None:
    assert up.key is not None, "larder up has made a key"
    access_key, _, secret_key = up.key.partition(".")
    environment = {
        "AWS_ENDPOINT_URL_REKOGNITION": up.address,
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": up.address,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_DEFAULT_REGION": "eu-west-1",
        "LARDER_URL": up.address,
        "LARDER_KEY": up.key,
    }
    image = str(store / "uploads/1.png")
    examples = [
        ("rekognition.py", image, f"{ARN}/version/v1/1"),
        ("sagemaker.py", "digits", image),
        ("triton.py", "image", "digits", image),
        ("google_vision.py", image),
        ("baidu.py", image),
        ("alibaba.py", "s3://larder/uploads/1.png"),
    ]
    for arguments in examples:
        done = subprocess.run(  # noqa: S603  # this interpreter and our own programs
            [sys.executable, ROOT / "examples/clients" / arguments[0], *arguments[1:]],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "1" in done.stdout.split()

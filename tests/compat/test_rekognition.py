"""boto3's Rekognition client, unmodified, against the running service."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from PIL import Image
from tests.compat.conftest import BLUE, RED, REGION, Endpoint, make_image
from tests.paths import ROOT

from larder.registry.aliases import set_alias
from larder.store import open_store

Client = Any  # boto3 makes its clients' classes at run time

ARN = "arn:aws:rekognition:us-east-1:123456789012:project"
ADDRESSES: Mapping[str, str] = {"root": "", "own path": "/rekognition"}


def arn(model: str, version: str = "cats.2020-01-21T09.10.15", number: str = "1579599015000") -> str:
    return f"{ARN}/{model}/version/{version}/{number}"


@pytest.fixture(scope="module", params=ADDRESSES)
def client(endpoint: Endpoint, request: pytest.FixtureRequest) -> Iterator[Client]:
    client = boto3.client(
        "rekognition",
        endpoint_url=f"{endpoint.url}{ADDRESSES[request.param]}",
        region_name=REGION,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        config=Config(retries={"max_attempts": 0}),
    )
    yield client
    client.close()


@pytest.fixture(scope="module")
def releases(endpoint: Endpoint) -> list[str]:
    """The releases of ``colours``, the live one first."""
    return sorted((path.name for path in (endpoint.store / "models/colours/releases").iterdir()), reverse=True)


def names(labels: list[dict[str, Any]]) -> list[str]:
    return [label["Name"] for label in labels]


# ----------------------------------------------------------------------------------------------------------- Labels


def test_detect_custom_labels_uses_each_labels_own_threshold(client: Client) -> None:
    answer = client.detect_custom_labels(ProjectVersionArn=arn("colours"), Image={"Bytes": RED})
    (label,) = answer["CustomLabels"]
    assert label["Name"] == "red"
    assert 99 < label["Confidence"] <= 100
    assert set(label) == {"Name", "Confidence"}
    assert len(answer["ResponseMetadata"]["RequestId"]) == 36


def test_headers_name_the_release_and_say_what_rekognition_has_no_field_for(
    client: Client, releases: list[str]
) -> None:
    for image, unknown in ((RED, "false"), (make_image((128, 128, 128)), "true")):
        answer = client.detect_custom_labels(ProjectVersionArn=arn("colours"), Image={"Bytes": image})
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        assert (headers["x-larder-model"], headers["x-larder-release"]) == ("colours", releases[0])
        assert headers["x-larder-unknown"] == unknown


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"MinConfidence": 0}, ["blue", "green", "red"]),
        ({"MinConfidence": 0, "MaxResults": 2}, ["blue", "green"]),
        ({"MinConfidence": 0.0001, "MaxResults": 0}, []),
        ({"MinConfidence": 100}, []),
        ({"MaxResults": 1}, ["blue"]),
    ],
)
def test_detect_custom_labels_takes_a_threshold_and_a_limit(
    client: Client, options: dict[str, Any], expected: list[str]
) -> None:
    answer = client.detect_custom_labels(ProjectVersionArn=arn("colours"), Image={"Bytes": BLUE}, **options)
    assert names(answer["CustomLabels"]) == expected
    confidences = [label["Confidence"] for label in answer["CustomLabels"]]
    assert confidences == sorted(confidences, reverse=True)


def test_an_image_may_be_in_the_bucket_of_the_service(client: Client) -> None:
    stored = {"S3Object": {"Bucket": "larder", "Name": "uploads/red.jpg"}}
    answer = client.detect_custom_labels(ProjectVersionArn=arn("colours"), Image=stored)
    assert names(answer["CustomLabels"]) == ["red"]


def test_a_version_named_as_a_release_is_that_release(client: Client, releases: list[str]) -> None:
    for release in releases:
        described = client.detect_custom_labels(ProjectVersionArn=arn("colours", release), Image={"Bytes": RED})
        assert names(described["CustomLabels"]) == ["red"]
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="no release '20200101t000000z-00000000'"):
        client.detect_custom_labels(ProjectVersionArn=arn("colours", "20200101t000000z-00000000"), Image={"Bytes": RED})


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_partition_region_and_account_do_not_matter(client: Client, partition: str) -> None:
    name = f"arn:{partition}:rekognition:cn-north-1:999999999999:project/colours/version/v1/7"
    assert client.detect_custom_labels(ProjectVersionArn=name, Image={"Bytes": RED})["CustomLabels"]


def test_detect_labels_uses_the_default_model(client: Client, releases: list[str]) -> None:
    answer = client.detect_labels(Image={"Bytes": RED})
    (label,) = answer["Labels"]
    assert label.pop("Confidence") > 99
    assert label == {"Name": "red", "Instances": [], "Parents": [], "Aliases": [], "Categories": []}
    assert answer["LabelModelVersion"] == releases[0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"MinConfidence": 0}, ["blue", "green", "red"]),
        ({"MinConfidence": 0, "MaxLabels": 1}, ["blue"]),
        ({"MinConfidence": 0, "Features": ["GENERAL_LABELS"]}, ["blue", "green", "red"]),
        ({"MinConfidence": 0, "Settings": {"GeneralLabels": {"LabelInclusionFilters": ["Red", "Sky"]}}}, ["red"]),
        ({"MinConfidence": 0, "Settings": {"GeneralLabels": {"LabelExclusionFilters": ["Blue"]}}}, ["green", "red"]),
        (
            {
                "Settings": {
                    "GeneralLabels": {"LabelInclusionFilters": ["blue", "red"], "LabelExclusionFilters": ["blue"]}
                }
            },
            [],
        ),
    ],
)
def test_detect_labels_takes_filters(client: Client, options: dict[str, Any], expected: list[str]) -> None:
    assert names(client.detect_labels(Image={"Bytes": BLUE}, **options)["Labels"]) == expected


# ----------------------------------------------------------------------------------------------------------- Errors

BYTES = {"Bytes": RED}


def stored(bucket: str = "larder", name: str = "uploads/red.jpg", **more: str) -> dict[str, Any]:
    return {"S3Object": {"Bucket": bucket, "Name": name, **more}}


@pytest.mark.parametrize(
    ("error", "message", "model", "image"),
    [
        ("ResourceNotFoundException", "'no-such-model' does not exist", "no-such-model", BYTES),
        ("ResourceNotFoundException", "larder aliases set", "My_Pets.v1", BYTES),
        ("ResourceNotFoundException", "recommender", "shop", BYTES),
        ("ResourceNotReadyException", "No release of model draft is live", "draft", BYTES),
        ("InternalServerError", "model.onnx of release", "broken", BYTES),
        ("InvalidImageFormatException", "GIF", "colours", {"Bytes": b"no image at all"}),
        ("InvalidImageFormatException", "truncated", "colours", {"Bytes": RED[:200]}),
        ("InvalidImageFormatException", "supported", "colours", stored(name="uploads/note.txt")),
        ("InvalidS3ObjectException", "not the bucket of this service", "colours", stored(bucket="other")),
        ("InvalidS3ObjectException", "upload it first", "colours", stored(name="uploads/none.jpg")),
        ("InvalidS3ObjectException", "under uploads/", "colours", stored(name="models/colours/live.json")),
        ("InvalidS3ObjectException", "under uploads/", "colours", stored(name="uploads/../keys/keys.json")),
        ("InvalidS3ObjectException", "Version is not supported", "colours", stored(Version="1")),
        ("InvalidParameterException", "neither or both", "colours", {}),
        ("InvalidParameterException", "neither or both", "colours", {**BYTES, **stored()}),
        ("InvalidParameterException", "empty", "colours", {"Bytes": b""}),
    ],
)
def test_errors_are_the_clients_own(
    client: Client, error: str, message: str, model: str, image: dict[str, Any]
) -> None:
    with pytest.raises(getattr(client.exceptions, error), match=message) as raised:
        client.detect_custom_labels(ProjectVersionArn=arn(model), Image=image)
    response = raised.value.response
    assert response["Error"]["Code"] == error
    assert response["ResponseMetadata"]["HTTPStatusCode"] == (500 if error == "InternalServerError" else 400)
    assert response["ResponseMetadata"]["RequestId"]


def test_an_image_with_too_many_pixels_is_too_large(client: Client) -> None:
    file = BytesIO()
    Image.new("1", (9_000, 6_000)).save(file, "PNG")
    with pytest.raises(client.exceptions.ImageTooLargeException, match="54000000 pixels; the limit is 50000000"):
        client.detect_labels(Image={"Bytes": file.getvalue()})


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("IMAGE_PROPERTIES", {"Features": ["IMAGE_PROPERTIES"]}),
        ("ImageProperties is not supported", {"Settings": {"ImageProperties": {"MaxDominantColors": 3}}}),
        ("no categories", {"Settings": {"GeneralLabels": {"LabelCategoryInclusionFilters": ["Animals"]}}}),
        ("whose labels are red, green, blue", {"Settings": {"GeneralLabels": {"LabelInclusionFilters": ["Dog"]}}}),
        ("at most 100", {"Settings": {"GeneralLabels": {"LabelInclusionFilters": ["Dog"] * 101}}}),
        ("MinConfidence is 101", {"MinConfidence": 101}),
    ],
)
def test_an_unsupported_option_is_an_invalid_parameter(client: Client, message: str, options: dict[str, Any]) -> None:
    with pytest.raises(client.exceptions.InvalidParameterException, match=message):
        client.detect_labels(Image=BYTES, **options)


@pytest.mark.parametrize("name", ["arn:aws:rekognition:x:1:other/colours", "arn:aws:s3:::project/colours/version/v/1"])
def test_a_name_of_another_form_is_an_invalid_parameter(client: Client, name: str) -> None:
    with pytest.raises(client.exceptions.InvalidParameterException, match="is not an ARN of this operation: use arn"):
        client.detect_custom_labels(ProjectVersionArn=name, Image=BYTES)


def test_another_operation_is_an_error_that_lists_those_there_are(client: Client) -> None:
    calls: list[Callable[[], object]] = [
        lambda: client.detect_faces(Image=BYTES),
        client.list_collections,
        lambda: client.create_project(ProjectName="pets"),
        lambda: client.start_label_detection(Video={"S3Object": {"Bucket": "larder", "Name": "a.mp4"}}),
    ]
    for call in calls:
        with pytest.raises(client.exceptions.InvalidParameterException, match="it has DescribeProjectVersions, Desc"):
            call()


# --------------------------------------------------------------------------------------------------------- Projects


def test_describe_projects_lists_the_classifiers(client: Client) -> None:
    projects = client.describe_projects()["ProjectDescriptions"]
    assert [project["ProjectArn"].split("/")[1] for project in projects] == ["broken", "colours", "draft"]
    assert projects[1]["ProjectArn"].split(":")[:3] == ["arn", "aws", "rekognition"]
    assert projects[1]["ProjectArn"].endswith(":000000000000:project/colours/1")
    assert projects[1]["CreationTimestamp"].isoformat()[:10] == "2026-01-01"
    assert {(project["Status"], project["Feature"]) for project in projects} == {("CREATED", "CUSTOM_LABELS")}


def test_projects_are_filtered_and_paged(client: Client) -> None:
    def listed(**options: Any) -> list[str]:  # noqa: ANN401  # options of any kind
        pages = client.get_paginator("describe_projects").paginate(**options)
        return [project["ProjectArn"].split("/")[1] for page in pages for project in page["ProjectDescriptions"]]

    assert listed(ProjectNames=["draft", "nothing"]) == ["draft"]
    assert listed(Features=["CONTENT_MODERATION"]) == []
    assert listed(Features=["CONTENT_MODERATION", "CUSTOM_LABELS"]) == listed()
    assert listed(PaginationConfig={"PageSize": 1}) == listed() == ["broken", "colours", "draft"]
    assert len(client.describe_projects(MaxResults=2)["ProjectDescriptions"]) == 2
    with pytest.raises(client.exceptions.InvalidPaginationTokenException):
        client.describe_projects(NextToken="not a token!")


def test_describe_project_versions_lists_the_releases_with_f1(client: Client, releases: list[str]) -> None:
    (project,) = client.describe_projects(ProjectNames=["colours"])["ProjectDescriptions"]
    live, old = client.describe_project_versions(ProjectArn=project["ProjectArn"])["ProjectVersionDescriptions"]
    assert [version["ProjectVersionArn"].split("/")[3] for version in (live, old)] == releases
    assert (live["Status"], old["Status"]) == ("RUNNING", "STOPPED")
    assert (live["EvaluationResult"]["F1Score"], old["EvaluationResult"]["F1Score"]) == (0.9, 0.8)
    summary = live["EvaluationResult"]["Summary"]["S3Object"]
    assert summary == {"Bucket": "larder", "Name": f"models/colours/releases/{releases[0]}/metrics.json"}
    assert live["CreationTimestamp"].isoformat()[:10] == "2026-01-02"
    answer = client.detect_custom_labels(ProjectVersionArn=old["ProjectVersionArn"], Image=BYTES)
    assert names(answer["CustomLabels"]) == ["red"]


def test_versions_are_filtered_and_paged(client: Client, releases: list[str]) -> None:
    def listed(**options: Any) -> list[str]:  # noqa: ANN401  # options of any kind
        pages = client.get_paginator("describe_project_versions").paginate(ProjectArn=f"{ARN}/colours/1", **options)
        return [
            version["ProjectVersionArn"].split("/")[3]
            for page in pages
            for version in page["ProjectVersionDescriptions"]
        ]

    assert listed(VersionNames=[releases[1]]) == [releases[1]]
    assert listed(VersionNames=["20200101t000000z-00000000"]) == []
    assert listed(PaginationConfig={"PageSize": 1}) == releases


def test_the_usual_flow_of_start_wait_detect_and_stop_works(client: Client) -> None:
    version = {"ProjectVersionArn": arn("colours")}
    assert client.start_project_version(**version, MinInferenceUnits=1)["Status"] == "RUNNING"
    client.get_waiter("project_version_running").wait(
        ProjectArn=f"{ARN}/colours/1", VersionNames=["cats.2020-01-21T09.10.15"], WaiterConfig={"MaxAttempts": 1}
    )
    assert client.detect_custom_labels(**version, Image=BYTES)["CustomLabels"]
    assert client.stop_project_version(**version)["Status"] == "STOPPED"
    assert client.detect_custom_labels(**version, Image=BYTES)["CustomLabels"], "stopping changes nothing"


def test_describing_and_starting_what_does_not_exist_is_an_error(client: Client) -> None:
    missing = client.exceptions.ResourceNotFoundException
    with pytest.raises(missing):
        client.describe_project_versions(ProjectArn=f"{ARN}/no-such-model/1")
    with pytest.raises(missing, match="recommender"):
        client.describe_project_versions(ProjectArn=f"{ARN}/shop/1")
    with pytest.raises(missing):
        client.start_project_version(ProjectVersionArn=arn("no-such-model"), MinInferenceUnits=1)
    with pytest.raises(missing, match="has no release"):
        client.stop_project_version(ProjectVersionArn=arn("colours", "20200101t000000z-00000000"))


# ------------------------------------------------------------------------------------------------------------ Names


def test_an_alias_lets_any_name_mean_a_model(client: Client, endpoint: Endpoint) -> None:
    store = open_store(endpoint.store.as_uri())
    whole = arn("Produkte_DE.v2", "v7")
    set_alias(store, whole, "colours")
    set_alias(store, "Farben.2020", "colours")
    for name in (whole, arn("Farben.2020")):
        assert names(client.detect_custom_labels(ProjectVersionArn=name, Image=BYTES)["CustomLabels"]) == ["red"]
    (project,) = client.describe_projects(ProjectNames=["Farben.2020"])["ProjectDescriptions"]
    assert "/colours/" in project["ProjectArn"]


def test_the_environment_alone_leads_an_unmodified_program_here(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "red.jpg").write_bytes(RED)
    program = (
        "import boto3, json\n"
        "client = boto3.client('rekognition')\n"
        "image = {'Bytes': open('red.jpg', 'rb').read()}\n"
        f"print(json.dumps(client.detect_custom_labels(ProjectVersionArn='{arn('colours')}', Image=image)))\n"
    )
    done = subprocess.run(  # noqa: S603  # this interpreter and our own program
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PATH": os.defpath, "AWS_ENDPOINT_URL_REKOGNITION": endpoint.url, **endpoint.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert names(json.loads(done.stdout)["CustomLabels"]) == ["red"]


def test_the_documented_example_prints_labels(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "red.jpg").write_bytes(RED)
    done = subprocess.run(  # noqa: S603  # this interpreter and our own program
        [sys.executable, ROOT / "examples/clients/rekognition.py", "red.jpg", arn("colours")],
        cwd=tmp_path,
        env={"PATH": os.defpath, "AWS_ENDPOINT_URL_REKOGNITION": endpoint.url, **endpoint.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r" 99\.\d % red\n", done.stdout)

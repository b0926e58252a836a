"""google-cloud-vision, unmodified, over REST against the running service."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import vision
from google.cloud.vision import ImageAnnotatorClient
from tests.compat.conftest import BLUE, RED, Endpoint
from tests.paths import ROOT

LABELS = vision.Feature.Type.LABEL_DETECTION
JSON = {"content-type": "application/json"}
Client = Callable[[str], ImageAnnotatorClient]


@pytest.fixture(scope="module")
def client_of(endpoint: Endpoint) -> Client:
    """Makes a client with a key."""

    def make(key: str) -> ImageAnnotatorClient:
        options = {"api_endpoint": endpoint.url, "api_key": key}
        return ImageAnnotatorClient(transport="rest", client_options=options)

    return make


@pytest.fixture(scope="module")
def client(endpoint: Endpoint, client_of: Client) -> ImageAnnotatorClient:
    return client_of(endpoint.key)


def image(content: bytes) -> vision.Image:
    return vision.Image(content=content)


def at(uri: str, *, gcs: bool = False) -> vision.Image:
    source = vision.ImageSource(gcs_image_uri=uri) if gcs else vision.ImageSource(image_uri=uri)
    return vision.Image(source=source)


def entry(content: vision.Image, *features: vision.Feature) -> vision.AnnotateImageRequest:
    return vision.AnnotateImageRequest(image=content, features=features)


LABEL = vision.Feature(type_=LABELS)


def names(answer: Any) -> list[str]:  # noqa: ANN401  # the client makes its classes at run time
    return [label.description for label in answer.label_annotations]


# ------------------------------------------------------------------------------------------------------------ Labels


def test_label_detection(client: ImageAnnotatorClient) -> None:
    answer = client.label_detection(image=image(RED))
    assert names(answer) == ["red"]
    assert answer.label_annotations[0].score == answer.label_annotations[0].topicality > 0.9
    assert not answer.error.message


def test_the_most_results(client: ImageAnnotatorClient) -> None:
    assert names(client.label_detection(image=image(RED), max_results=1)) == ["red"]


def test_a_batch_of_16(client: ImageAnnotatorClient) -> None:
    requests = [entry(image(content), LABEL) for content in [RED, BLUE] * 8]
    answers = client.batch_annotate_images(requests=requests).responses
    assert [names(answer)[0] for answer in answers] == ["red", "blue"] * 8
    with pytest.raises(exceptions.BadRequest, match="17 images: send at most 16"):
        client.batch_annotate_images(requests=[*requests, requests[0]])


@pytest.mark.parametrize("parent", ["projects/p-1", "projects/p-1/locations/eu"])
def test_the_path_may_have_a_project_and_a_location(
    endpoint: Endpoint, client: ImageAnnotatorClient, parent: str
) -> None:
    request = {"image": image(BLUE), "features": [{"type_": LABELS}]}
    answer = client.batch_annotate_images(request={"parent": parent, "requests": [request]})
    assert names(answer.responses[0])[0] == "blue"
    body = {"requests": [{"image": {"content": base64.b64encode(BLUE).decode()}, "features": [{"type": 4}]}]}
    got = endpoint.call("POST", f"/v1/{parent}/images:annotate", json.dumps(body).encode(), JSON)
    assert (got.status, json.loads(got.body)["responses"][0]["labelAnnotations"][0]["description"]) == (200, "blue")


@pytest.mark.parametrize("kind", [4, "LABEL_DETECTION"])
def test_a_request_by_hand_names_the_feature(endpoint: Endpoint, kind: object) -> None:
    content = base64.urlsafe_b64encode(RED).decode().rstrip("=")
    body = {"requests": [{"image": {"content": content}, "features": [{"type": kind, "max_results": 1}]}]}
    path = f"/v1/images:annotate?key={endpoint.key}"
    answer = json.loads(endpoint.call("POST", path, json.dumps(body).encode(), JSON).body)
    (label,) = answer["responses"][0]["labelAnnotations"]
    assert label["description"] == "red"


@pytest.mark.parametrize("gcs", [True, False])
def test_an_image_in_the_bucket(client: ImageAnnotatorClient, gcs: bool) -> None:
    answer = client.label_detection(image=at("gs://larder/uploads/red.jpg", gcs=gcs))
    assert names(answer)[0] == "red"


def test_an_image_by_an_address_of_s3(client: ImageAnnotatorClient) -> None:
    for uri in ("s3://larder/uploads/red.jpg", "https://larder.s3.eu-west-1.amazonaws.com/uploads/red.jpg"):
        assert names(client.label_detection(image=at(uri)))[0] == "red"


def test_a_feature_may_name_a_model(client: ImageAnnotatorClient) -> None:
    for model in ("builtin/stable", "builtin/latest", "colours"):
        request = {"image": image(RED), "features": [{"type_": LABELS, "model": model}]}
        assert names(client.annotate_image(request))[0] == "red"
    request = {"image": image(RED), "features": [{"type_": LABELS, "model": "pest"}]}
    with pytest.raises(exceptions.NotFound):
        client.annotate_image(request)


# ------------------------------------------------------------------------------------------------------------ Errors


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (image(b"no image"), 3, "These 8 bytes"),
        (image(RED[:400]), 3, "truncated"),
        (at("https://example.org/cat.jpg"), 3, "nothing else is fetched"),
        (at("gs://elsewhere/uploads/red.jpg"), 3, "not the bucket"),
        (at("gs://larder/models/colours/live.json"), 3, "under uploads/"),
        (at("gs://larder/uploads/../keys/keys.json"), 3, "under uploads/"),
        (at("gs://larder/uploads/none.jpg", gcs=True), 5, "no object"),
    ],
)
def test_what_is_wrong_with_one_image_is_its_own_error(
    client: ImageAnnotatorClient, content: vision.Image, code: int, message: str
) -> None:
    requests = [entry(one, LABEL) for one in (image(BLUE), content, image(RED))]
    answers = client.batch_annotate_images(requests=requests).responses
    assert [names(answer)[:1] for answer in answers] == [["blue"], [], ["red"]]
    assert [answer.error.code for answer in answers] == [0, code, 0]
    assert message in answers[1].error.message


def test_other_features_are_an_error_beside_the_labels(client: ImageAnnotatorClient) -> None:
    features = [{"type_": LABELS}, {"type_": vision.Feature.Type.TEXT_DETECTION}]
    answer = client.annotate_image({"image": image(RED), "features": features})
    assert names(answer)[0] == "red"
    assert (answer.error.code, "TEXT_DETECTION: not supported" in answer.error.message) == (12, True)
    assert client.face_detection(image=image(RED)).error.code == 12


def test_each_error_of_a_whole_request_is_the_clients_exception(
    client: ImageAnnotatorClient, client_of: Client, endpoint: Endpoint
) -> None:
    with pytest.raises(exceptions.BadRequest, match="missing or empty") as raised:
        client.batch_annotate_images(requests=[])
    assert raised.value.response.json()["error"]["status"] == "INVALID_ARGUMENT"
    with pytest.raises(exceptions.BadRequest, match="must specify image and features"):
        client.batch_annotate_images(requests=[entry(image(RED))])
    with pytest.raises(exceptions.Unauthorized):
        client_of("AIzaSyUnknown").label_detection(image=image(RED))
    with pytest.raises(exceptions.Forbidden):
        client_of(endpoint.add_key("recommend:shop")).label_detection(image=image(RED))
    with pytest.raises(exceptions.ServiceUnavailable, match="No release of model draft"):
        client_of(endpoint.add_key("classify", default_model="draft")).label_detection(image=image(RED), retry=None)
    with pytest.raises(exceptions.ServiceUnavailable):
        client_of(endpoint.add_key("classify", default_model="broken")).label_detection(image=image(RED), retry=None)
    limited = client_of(endpoint.add_key("classify", rate=0.01, burst=1))
    limited.label_detection(image=image(RED))
    with pytest.raises(exceptions.TooManyRequests) as throttled:
        limited.label_detection(image=image(RED))
    assert int(throttled.value.response.headers["retry-after"]) >= 1


def test_a_request_without_labels_reads_no_image(client_of: Client, endpoint: Endpoint) -> None:
    stored = [at(f"gs://larder/uploads/{name}.jpg") for name in ("red", "none")]
    for one in stored:
        answer = client_of(endpoint.key).face_detection(image=one)
        assert (answer.error.code, "FACE_DETECTION: not supported" in answer.error.message) == (12, True)
    other = client_of(endpoint.add_key("recommend:shop"))
    for one in stored:
        with pytest.raises(exceptions.Forbidden):
            other.face_detection(image=one)


def test_the_keys_default_model_answers(client_of: Client, endpoint: Endpoint) -> None:
    key = endpoint.add_key("classify:colours", default_model="colours")
    assert names(client_of(key).label_detection(image=image(BLUE)))[0] == "blue"
    with pytest.raises(exceptions.Forbidden):
        client_of(endpoint.add_key("classify:colours", default_model="pest")).label_detection(image=image(BLUE))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not JSON"),
        ({"request": []}, "'request' is not a field"),
        ({"requests": {}}, "requests is missing"),
        ({"requests": [1]}, "requests[0] is not an object"),
        ({"requests": [{"image": {"content": "*"}, "features": [{"type": 4}]}]}, "requests[0].image.content"),
        ({"requests": [{"image": {"source": {}}, "features": [{"type": 4}]}]}, "neither content nor"),
        ({"requests": [{"image": {"content": "AA"}, "features": [{"type": "LABELS"}]}]}, "features[0].type"),
        ({"requests": [{"image": {"content": "AA"}, "features": [{"type": True}]}]}, "features[0].type"),
        ({"requests": [{"image": {"content": "AA"}, "features": [{"type": 4, "maxResults": -1}]}]}, "maxResults"),
        (b'{"requests": ' + b"[" * 5000 + b"]" * 5000 + b"}", ""),
    ],
)
def test_a_malformed_body_is_named(endpoint: Endpoint, body: object, message: str) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = endpoint.call("POST", "/v1/images:annotate", data, JSON)
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert message in error["message"]


def test_other_methods_and_parameters_are_refused(endpoint: Endpoint) -> None:
    answer = endpoint.call("POST", "/v1/files:annotate", b"{}", JSON)
    assert (answer.status, json.loads(answer.body)["error"]["status"]) == (404, "NOT_FOUND")
    for query in ("?alt=proto", "?fields=responses"):
        assert endpoint.call("POST", f"/v1/images:annotate{query}", b"{}", JSON).status == 400


def test_the_example_runs(endpoint: Endpoint) -> None:
    done = subprocess.run(  # noqa: S603  # our own example
        [
            sys.executable,
            ROOT / "examples/clients/google_vision.py",
            str(endpoint.store / "uploads/red.jpg"),
            "gs://larder/uploads/red.jpg",
            "gs://larder/uploads/note.txt",
        ],
        env={**os.environ, "LARDER_URL": endpoint.url, "LARDER_KEY": endpoint.key},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert [line.split()[-1] for line in lines[:2]] == ["red", "red"]
    assert "unknown format" in lines[2]

"""tritonclient[http], unmodified, against the running service: classifiers and recommenders."""

import base64
import gzip
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.compat.conftest import BLUE, RED, Endpoint
from tests.paths import ROOT
from tritonclient.http import (  # type: ignore[import-untyped]  # ships no types
    InferenceServerClient,
    InferInput,
    InferRequestedOutput,
    InferResult,
)
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # ships no types

LABELS = ["red", "green", "blue"]
Array = NDArray[Any]


@pytest.fixture(scope="module")
def headers(endpoint: Endpoint) -> dict[str, str]:
    """The headers of each request. Calls get a copy: ``infer`` adds those of its body to its argument."""
    return {"x-api-key": endpoint.key}


@pytest.fixture(scope="module")
def client(endpoint: Endpoint) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(endpoint.url.removeprefix("http://")) as client:
        yield client


@pytest.fixture(scope="module")
def releases(endpoint: Endpoint) -> list[str]:
    """The releases of ``colours``, the live one first."""
    return sorted((path.name for path in (endpoint.store / "models/colours/releases").iterdir()), reverse=True)


def files(*images: bytes, flat: bool = False) -> InferInput:
    """The input of encoded images, as raw bytes."""
    values: Array = np.empty((len(images), 1), np.object_)
    values[:, 0] = images
    values = values[:, 0] if flat else values
    return InferInput("image", list(values.shape), "BYTES").set_data_from_numpy(values)


def texts(name: str, rows: list[list[str]], *, binary: bool = True) -> InferInput:
    values: Array = np.array([[text.encode() for text in row] for row in rows], np.object_)
    return InferInput(name, list(values.shape), "BYTES").set_data_from_numpy(values, binary_data=binary)


def decoded(image: bytes) -> Array:
    """The pixels that the toy's graph takes: every pixel of these images is alike."""
    return np.asarray(Image.open(BytesIO(image)).convert("RGB").resize((12, 8)))


def expected(image: bytes) -> Array:
    """The toy's probabilities: a softmax of ten times the mean colour."""
    logits = 10 * decoded(image).reshape(-1, 3).mean(axis=0) / 255
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


# ------------------------------------------------------------------------------------------- Health and descriptions


def test_health_is_open_to_all(client: InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()


def test_the_server_names_its_extensions(client: InferenceServerClient, headers: dict[str, str]) -> None:
    metadata = client.get_server_metadata(headers=dict(headers))
    assert metadata["name"] == "larder"
    assert {"classification", "binary_tensor_data", "model_repository"} <= set(metadata["extensions"])


def test_a_classifier_is_described(client: InferenceServerClient, headers: dict[str, str], releases: list[str]) -> None:
    for version in ("", releases[1]):
        assert client.is_model_ready("colours", version, headers=dict(headers))
        metadata = client.get_model_metadata("colours", version, headers=dict(headers))
        assert metadata["versions"] == releases
        assert metadata["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1, 1]}]
        assert metadata["properties"] == {"pixels": "UINT8 [-1,8,12,3]"}
        outputs = {output["name"]: (output["datatype"], output["shape"]) for output in metadata["outputs"]}
        assert outputs["probabilities"] == ("FP32", [-1, 3])
        config = client.get_model_config("colours", version, headers=dict(headers))
        assert config["max_batch_size"] == 64
        assert config["input"] == [{"name": "image", "data_type": "TYPE_STRING", "dims": [1]}]
        assert config["version_policy"]["specific"]["versions"] == [version or releases[0]]


def test_a_recommender_is_described(client: InferenceServerClient, headers: dict[str, str]) -> None:
    assert client.is_model_ready("shop", headers=dict(headers))
    metadata = client.get_model_metadata("shop", headers=dict(headers))
    assert [entry["name"] for entry in metadata["inputs"]] == ["user", "item", "session"]
    assert [(entry["name"], entry["datatype"]) for entry in metadata["outputs"]] == [
        ("items", "BYTES"),
        ("scores", "FP32"),
    ]
    assert client.get_model_config("shop", headers=dict(headers))["platform"] == "larder_recommender"


def test_models_that_cannot_answer_are_not_ready(client: InferenceServerClient, headers: dict[str, str]) -> None:
    for name in ("draft", "broken", "pest", "Not-A-Name"):
        assert not client.is_model_ready(name, headers=dict(headers))


def test_the_index_lists_every_model(
    client: InferenceServerClient, headers: dict[str, str], releases: list[str]
) -> None:
    index = {entry["name"]: entry for entry in client.get_model_repository_index(headers=dict(headers))}
    assert {"colours", "shop", "draft"} <= set(index)
    assert index["colours"] == {"name": "colours", "version": releases[0], "state": "READY", "reason": ""}
    assert index["draft"]["state"] == "UNAVAILABLE"


def test_loading_a_live_model_succeeds_and_unloading_says_why_not(
    client: InferenceServerClient, headers: dict[str, str]
) -> None:
    client.load_model("colours", headers=dict(headers))
    with pytest.raises(InferenceServerException, match=r"\[400\] Models cannot be unloaded"):
        client.unload_model("colours", headers=dict(headers))
    with pytest.raises(InferenceServerException, match=r"\[400\] A model is loaded as its release states it"):
        client.load_model("colours", headers=dict(headers), config='{"backend": "onnxruntime"}')


# ---------------------------------------------------------------------------------------------------- Classification


def test_encoded_images_as_bytes(client: InferenceServerClient, headers: dict[str, str], releases: list[str]) -> None:
    for flat in (False, True):
        result = client.infer("colours", [files(RED, BLUE, flat=flat)], headers=dict(headers), request_id="a-7")
        probabilities = result.as_numpy("probabilities")
        assert probabilities.shape == (2, 3)
        np.testing.assert_allclose(probabilities, [expected(RED), expected(BLUE)], atol=1e-4)
        assert result.as_numpy("novelty").shape == result.as_numpy("unknown").shape == (2, 1)
        assert result.as_numpy("embedding").shape == (2, 3)
        document = result.get_response()
        assert (document["model_name"], document["model_version"], document["id"]) == ("colours", releases[0], "a-7")


def test_a_grey_image_is_unknown(client: InferenceServerClient, headers: dict[str, str]) -> None:
    file = BytesIO()
    Image.new("RGB", (32, 24), (90, 90, 90)).save(file, "PNG")
    unknown = client.infer("colours", [files(file.getvalue(), RED)], headers=dict(headers)).as_numpy("unknown")
    assert unknown.tolist() == [[True], [False]]


@pytest.mark.parametrize("binary", [True, False])
def test_pixels_as_uint8(client: InferenceServerClient, headers: dict[str, str], binary: bool) -> None:
    pixels = np.stack([decoded(BLUE), decoded(RED)])
    image = InferInput("image", [2, 8, 12, 3], "UINT8").set_data_from_numpy(pixels, binary_data=binary)
    output = InferRequestedOutput("probabilities", binary_data=binary)
    result = client.infer("colours", [image], outputs=[output], headers=dict(headers))
    np.testing.assert_allclose(result.as_numpy("probabilities"), [expected(BLUE), expected(RED)], atol=1e-6)
    assert [entry["name"] for entry in result.get_response()["outputs"]] == ["probabilities"]


def test_a_batch_answers_as_its_images_one_by_one(client: InferenceServerClient, headers: dict[str, str]) -> None:
    images = [RED, BLUE] * 32
    together = client.infer("colours", [files(*images)], headers=dict(headers)).as_numpy("probabilities")
    alone = [
        client.infer("colours", [files(image)], headers=dict(headers)).as_numpy("probabilities")[0]
        for image in (RED, BLUE)
    ]
    np.testing.assert_array_equal(together, alone * 32)
    with pytest.raises(InferenceServerException, match="65 rows: send 1 to 64"):
        client.infer("colours", [files(*images, RED)], headers=dict(headers))


def test_the_classification_extension(client: InferenceServerClient, headers: dict[str, str]) -> None:
    for binary in (True, False):
        output = InferRequestedOutput("probabilities", binary_data=binary, class_count=2)
        result = client.infer("colours", [files(RED, BLUE)], outputs=[output], headers=dict(headers))
        rows = result.as_numpy("probabilities")
        assert rows.shape == (2, 2)
        score, index, label = (rows[1, 0].decode() if binary else rows[1, 0]).split(":")
        assert (index, label) == ("2", "blue")
        assert float(score) == pytest.approx(expected(BLUE)[2], abs=1e-5)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests_and_responses(
    client: InferenceServerClient, headers: dict[str, str], algorithm: str
) -> None:
    result = client.infer(
        "colours",
        [files(RED)],
        headers=dict(headers),
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    np.testing.assert_allclose(result.as_numpy("probabilities"), [expected(RED)], atol=1e-4)
    in_json = client.infer(
        "colours",
        [files(RED)],
        outputs=[InferRequestedOutput("probabilities", binary_data=False)],
        headers=dict(headers),
        response_compression_algorithm=algorithm,
    )
    np.testing.assert_allclose(in_json.as_numpy("probabilities"), [expected(RED)], atol=1e-4)


def test_a_version_is_a_release(client: InferenceServerClient, headers: dict[str, str], releases: list[str]) -> None:
    for release in releases:
        result = client.infer("colours", [files(RED)], model_version=release, headers=dict(headers))
        assert result.get_response()["model_version"] == release


def test_asynchronous_inference(client: InferenceServerClient, headers: dict[str, str]) -> None:
    result = client.async_infer("colours", [files(BLUE)], headers=dict(headers)).get_result()
    assert LABELS[int(result.as_numpy("probabilities")[0].argmax())] == "blue"


def test_statistics_count_what_was_asked(client: InferenceServerClient, headers: dict[str, str]) -> None:
    def counted() -> Mapping[str, Any]:
        (entry,) = client.get_inference_statistics("colours", headers=dict(headers))["model_stats"]
        return dict(entry)

    before = counted()
    client.infer("colours", [files(RED, BLUE)], headers=dict(headers))
    after = counted()
    assert after["inference_count"] - before["inference_count"] == 2
    assert after["execution_count"] - before["execution_count"] == 1
    assert after["last_inference"] > 0


# --------------------------------------------------------------------------------------------------- Recommendations


def test_users_in_and_items_and_scores_out(client: InferenceServerClient, headers: dict[str, str]) -> None:
    for binary in (True, False):
        users = texts("user", [["ada"], ["zoë"], ["new"]], binary=binary)
        result = client.infer("shop", [users], headers=dict(headers), parameters={"n": 2})
        items, scores = result.as_numpy("items"), result.as_numpy("scores")
        assert items.tolist() == [[b"egg", b"fig"], [b"apple", b"bread"], [b"apple", b"bread"]]
        assert scores.dtype == np.float32
        assert scores[0].tolist() == [1.0, 0.5]


def test_the_answers_are_those_of_the_native_route(
    client: InferenceServerClient, headers: dict[str, str], endpoint: Endpoint
) -> None:
    result = client.infer(
        "shop",
        [texts("user", [["bob"]]), texts("session", [["apple", "egg"]])],
        headers=dict(headers),
        parameters={"n": 4, "filter": 'EXCLUDE ItemID WHERE Items.KIND IN ("grain")', "include_seen": True},
    )
    document = {"user": "bob", "session": ["apple", "egg"], "n": 4, "include_seen": True}
    document["filter"] = 'EXCLUDE ItemID WHERE Items.KIND IN ("grain")'
    native = json.loads(
        ask(endpoint, "POST", "/v1/models/shop/recommend", json.dumps(document).encode(), json_headers(headers))[2]
    )
    assert [item.decode() for item in result.as_numpy("items")[0]] == [item["id"] for item in native["items"]]
    np.testing.assert_allclose(result.as_numpy("scores")[0], [item["score"] for item in native["items"]], atol=1e-6)


def test_shorter_rows_are_filled_up(client: InferenceServerClient, headers: dict[str, str]) -> None:
    inputs = [texts("user", [["ada"], [""]]), texts("session", [["egg", "fig"], ["apple", ""]])]
    parameters = {"n": 3, "filter": 'INCLUDE ItemID WHERE Items.KIND IN ("fruit")', "include_seen": False}
    items = client.infer("shop", inputs, headers=dict(headers), parameters=parameters).as_numpy("items")
    assert {text.decode() for text in items[0]} <= {"apple", "cherry", ""}
    assert b"apple" not in items[1]


# ------------------------------------------------------------------------------------------------------------ Errors


def test_each_error_is_the_clients_exception(client: InferenceServerClient, headers: dict[str, str]) -> None:
    wrong_size = np.zeros((1, 8, 8, 3), np.uint8)
    floats = np.zeros((1, 8, 12, 3), np.float32)
    cases: list[tuple[str, str, str, list[InferInput], dict[str, Any]]] = [
        ("404", "does not exist", "pest", [files(RED)], {}),
        ("400", "is not a name|not a model", "Not A Name", [files(RED)], {}),
        ("404", "has no release", "colours", [files(RED)], {"model_version": "1"}),
        ("503", "No release of model draft", "draft", [files(RED)], {}),
        ("503", "model.onnx", "broken", [files(RED)], {}),
        ("400", "image 2: These 9 bytes", "colours", [files(RED, b"\xffno image")], {}),
        ("400", "image 1: This image is truncated", "colours", [files(RED[:400])], {}),
        ("400", "is not an input", "colours", [texts("pixels", [["x"]])], {}),
        ("400", "image is missing", "colours", [], {}),
        (
            "400",
            r"shape \[1, 8, 8, 3\]",
            "colours",
            [InferInput("image", [1, 8, 8, 3], "UINT8").set_data_from_numpy(wrong_size)],
            {},
        ),
        (
            "400",
            "datatype FP32",
            "colours",
            [InferInput("image", [1, 8, 12, 3], "FP32").set_data_from_numpy(floats)],
            {},
        ),
        ("400", "is not an output", "colours", [files(RED)], {"outputs": [InferRequestedOutput("softmax")]}),
        (
            "400",
            "has no classes",
            "colours",
            [files(RED)],
            {"outputs": [InferRequestedOutput("novelty", class_count=1)]},
        ),
        ("400", "is not one of a classifier", "colours", [files(RED)], {"parameters": {"n": 3}}),
        ("400", "is not one of a recommender", "shop", [texts("user", [["ada"]])], {"parameters": {"top": 3}}),
        ("400", "row 1: .* n: is 501", "shop", [texts("user", [["ada"]])], {"parameters": {"n": 501}}),
        (
            "400",
            "different lengths",
            "shop",
            [texts("user", [["ada"]]), texts("item", [["egg"], ["fig"]])],
            {},
        ),
        ("400", "row 2: user has 257 characters", "shop", [texts("user", [["ada"], ["u" * 257]])], {}),
    ]
    for status, message, model, inputs, options in cases:
        with pytest.raises(InferenceServerException, match=message) as raised:
            client.infer(model, inputs, headers=dict(headers), **options)
        assert raised.value.status() == status, (message, str(raised.value))


@pytest.mark.parametrize("wrong", [None, "wrong", "the key and more"])
def test_a_key_is_needed(client: InferenceServerClient, endpoint: Endpoint, wrong: str | None) -> None:
    headers = {"x-api-key": f"{endpoint.key}x" if wrong == "the key and more" else wrong} if wrong else {}
    calls: list[Callable[[], object]] = [
        lambda: client.infer("colours", [files(RED)], headers=dict(headers)),
        lambda: client.get_model_metadata("pest", headers=headers),
        lambda: client.get_model_repository_index(headers=headers),
    ]
    for call in calls:
        with pytest.raises(InferenceServerException) as raised:
            call()
        assert raised.value.status() == "401"


def test_a_key_sees_only_its_models(client: InferenceServerClient, endpoint: Endpoint) -> None:
    headers = {"authorization": f"Bearer {endpoint.add_key('classify:colours', 'recommend:s*')}"}
    assert client.infer("colours", [files(RED)], headers=dict(headers))
    assert client.infer("shop", [texts("user", [["ada"]])], headers=dict(headers))
    assert [entry["name"] for entry in client.get_model_repository_index(headers=headers)] == ["colours", "shop"]
    answers = set()
    for name in ("broken", "draft", "pest"):  # a model that exists, one without a live release, and none
        with pytest.raises(InferenceServerException) as raised:
            client.infer(name, [files(RED)], headers=dict(headers))
        answers.add(str(raised.value).replace(name, "NAME"))
        assert raised.value.status() == "403"
    assert len(answers) == 1


def test_a_key_of_one_kind_does_not_see_the_other(client: InferenceServerClient, endpoint: Endpoint) -> None:
    headers = {"x-api-key": endpoint.add_key("classify:*")}
    with pytest.raises(InferenceServerException) as hidden:
        client.infer("shop", [texts("user", [["ada"]])], headers=dict(headers))
    with pytest.raises(InferenceServerException) as missing:
        client.infer("pest", [texts("user", [["ada"]])], headers=dict(headers))
    assert str(hidden.value).replace("shop", "pest") == str(missing.value)
    for path, header in (("/versions/No", {}), ("", {"x-larder-release": "No"}), ("/versions/none", {})):
        answers = [
            endpoint.call("GET", f"/v2/models/{name}{path}", headers={**headers, **header}) for name in ("shop", "pest")
        ]
        assert answers[0].status == answers[1].status
        assert answers[0].body.replace(b"shop", b"pest") == answers[1].body
    assert "shop" not in {entry["name"] for entry in client.get_model_repository_index(headers=headers)}


def test_a_key_that_reads_models_gets_descriptions_only(client: InferenceServerClient, endpoint: Endpoint) -> None:
    headers = {"x-api-key": endpoint.add_key("models:read:colours")}
    assert client.get_model_config("colours", headers=headers)["name"] == "colours"
    with pytest.raises(InferenceServerException) as raised:
        client.infer("colours", [files(RED)], headers=dict(headers))
    assert raised.value.status() == "403"


def test_a_rate_is_kept(client: InferenceServerClient, endpoint: Endpoint) -> None:
    headers = {"x-api-key": endpoint.add_key("classify", rate=0.01, burst=2)}
    for _ in range(2):
        client.get_server_metadata(headers=headers)
    with pytest.raises(InferenceServerException) as raised:
        client.get_server_metadata(headers=headers)
    assert raised.value.status() == "429"
    assert int(ask(endpoint, "GET", "/v2", headers=headers)[1]["retry-after"]) >= 1


def test_shared_memory_is_refused(client: InferenceServerClient, headers: dict[str, str]) -> None:
    image = InferInput("image", [1], "BYTES")
    image.set_shared_memory("region", 100)
    with pytest.raises(InferenceServerException, match="shared memory"):
        client.infer("colours", [image], headers=dict(headers))
    output = InferRequestedOutput("probabilities")
    output.set_shared_memory("region", 12)
    with pytest.raises(InferenceServerException, match="shared memory"):
        client.infer("colours", [files(RED)], outputs=[output], headers=dict(headers))


def ask(
    endpoint: Endpoint, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, Mapping[str, str], bytes]:
    """A request as a program without a client sends it."""
    connection = HTTPConnection(endpoint.url.removeprefix("http://"), timeout=60)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def json_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {**headers, "content-type": "application/json"}


def infer(endpoint: Endpoint, headers: Mapping[str, str], document: object, model: str = "colours") -> tuple[int, Any]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    status, _, answer = ask(endpoint, "POST", f"/v2/models/{model}/infer", body, json_headers(headers))
    return status, json.loads(answer)


def test_json_has_images_in_base64(endpoint: Endpoint, headers: dict[str, str]) -> None:
    image = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [base64.b64encode(RED).decode()]}
    status, answer = infer(endpoint, headers, {"inputs": [image]})
    assert status == 200
    outputs = {output["name"]: output for output in answer["outputs"]}
    assert outputs["probabilities"]["data"] == pytest.approx(list(expected(RED)), abs=1e-4)
    assert outputs["unknown"]["data"] == [False]


def test_nested_data_are_those_of_the_shape(endpoint: Endpoint, headers: dict[str, str]) -> None:
    image = {"name": "image", "shape": [1, 8, 12, 3], "datatype": "UINT8", "data": [decoded(BLUE).tolist()]}
    status, answer = infer(endpoint, headers, {"inputs": [image]})
    assert (status, max(answer["outputs"][0]["data"])) == (200, pytest.approx(expected(BLUE)[2], abs=1e-6))
    ragged = decoded(BLUE).tolist()
    ragged[0][0], ragged[0][1] = [*ragged[0][0], 1], ragged[0][1][:-1]
    status, answer = infer(endpoint, headers, {"inputs": [{**image, "data": [ragged]}]})
    assert (status, "not nested as shape" in answer["error"]) == (400, True)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "not JSON"),
        (b"[1]", "not a JSON object"),
        ({}, "inputs is missing"),
        ({"inputs": [], "input": 1}, "'input' is not a field"),
        ({"inputs": [{}]}, "has no name"),
        ({"inputs": [{"name": "image", "datatype": "JPEG", "shape": [1]}]}, "datatype is 'JPEG'"),
        ({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [-1]}]}, "shape is"),
        ({"inputs": [{"name": "image", "datatype": "UINT8", "shape": [65536, 65536]}]}, "elements"),
        ({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [2], "data": ["a"]}]}, "has 1 elements"),
        ({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [1]}]}, "are strings"),
        ({"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1], "data": [256]}]}, "from 0 to 255"),
        ({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1]}]}, "has no data"),
        (
            {"inputs": [{"name": "i", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 1}}]},
            "lacks the header",
        ),
        ({"inputs": [], "outputs": 1}, "outputs is not a list"),
        ({"inputs": [], "outputs": [{"name": "a"}, {"name": "a"}]}, "twice"),
        ({"inputs": [], "id": 7}, "id is 7"),
        ({"inputs": [], "parameters": {"binary_data_output": 1}}, "true or false"),
        ({"inputs": [], "outputs": [{"name": "a", "parameters": {"classification": -1}}]}, "classification"),
    ],
)
def test_what_breaks_the_protocol_is_named(
    endpoint: Endpoint, headers: dict[str, str], document: object, message: str
) -> None:
    status, answer = infer(endpoint, headers, document)
    assert status == 400
    assert message in answer["error"]


@pytest.mark.parametrize(
    ("more", "body", "message"),
    [
        ({"inference-header-content-length": "99"}, b"{}", "at most 2 bytes"),
        ({"inference-header-content-length": "x"}, b"{}", "'x'"),
        ({"inference-header-content-length": "13"}, b'{"inputs":[]}rest', "4 bytes follow"),
        ({"content-encoding": "br"}, b"{}", "use gzip or deflate"),
        ({"content-encoding": "gzip"}, b"{}", "not in the format gzip"),
        ({"content-encoding": "deflate"}, zlib.compress(b"{}" * 99)[:-6], "ends before"),
        ({"content-encoding": "gzip"}, gzip.compress(bytes(65 * 2**20)), "after decompression"),
    ],
)
def test_a_damaged_body_is_named(
    endpoint: Endpoint, headers: dict[str, str], more: dict[str, str], body: bytes, message: str
) -> None:
    status, _, answer = ask(endpoint, "POST", "/v2/models/colours/infer", body, {**headers, **more})
    assert (status, message in json.loads(answer)["error"]) == (400, True), answer


def test_binary_bytes_beyond_the_data_are_named(endpoint: Endpoint, headers: dict[str, str]) -> None:
    for size, rest, message in ((6, b"\x03\0\0\0ab", "longer than the data"), (9, b"abc", "3 bytes are left")):
        tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": size}}
        header = json.dumps({"inputs": [tensor]}).encode()
        more = {"inference-header-content-length": str(len(header))}
        status, _, answer = ask(endpoint, "POST", "/v2/models/colours/infer", header + rest, {**headers, **more})
        assert (status, message in json.loads(answer)["error"]) == (400, True), answer


def test_a_result_can_be_read_from_a_plain_response(endpoint: Endpoint, headers: dict[str, str]) -> None:
    body, length = InferenceServerClient.generate_request_body([files(RED)])
    sent = {**headers, "inference-header-content-length": str(length), "accept-encoding": "identity"}
    _, got, answer = ask(endpoint, "POST", "/v2/models/colours/infer", body, sent)
    assert (got["content-type"], got["x-larder-model"]) == ("application/octet-stream", "colours")
    result = InferResult.from_response_body(answer, header_length=int(got["inference-header-content-length"]))
    np.testing.assert_allclose(result.as_numpy("probabilities"), [expected(RED)], atol=1e-4)


def test_the_example_runs(endpoint: Endpoint, headers: dict[str, str]) -> None:
    def run(*arguments: str) -> str:
        return subprocess.run(  # noqa: S603  # our own example
            [sys.executable, ROOT / "examples/clients/triton.py", *arguments],
            env={**os.environ, "LARDER_URL": endpoint.url, "LARDER_KEY": headers["x-api-key"]},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert run("image", "colours", str(endpoint.store / "uploads/red.jpg")).splitlines()[0].endswith("red")
    assert run("user", "shop", "ada").split() == ["1.00", "egg", "0.50", "fig", "0.25", "Grünkohl", "🥬"]

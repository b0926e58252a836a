"""Golden requests, sent to the serving code in this process and to functions by Lambda's Invoke."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.toys.rollout import Lambda, Reply

from larder.errors import FunctionUnavailable
from larder.release.pointer import Pointer
from larder.rollout import SendRequest, prober, roll_out, upload
from larder.rollout.aws.lambda_prober import LambdaProber
from larder.store import Store
from larder_training.release.local_prober import request_sender

Write = Callable[..., Path]


@pytest.fixture(params=["in this process", "by functions"])
def send(request: pytest.FixtureRequest, store: Store) -> Iterator[SendRequest]:
    if request.param == "by functions":
        request.getfixturevalue("functions")
        yield deployed()
    else:
        with request_sender(store) as sender:
            yield sender


def deployed() -> LambdaProber:
    return LambdaProber.connect({"classifier": "classify", "recommender": "recommend"})


@pytest.mark.parametrize("kind", ["golden_classifier", "golden_recommender"])
def test_a_release_with_its_golden_responses_goes_live(
    store: Store, send: SendRequest, kind: str, request: pytest.FixtureRequest
) -> None:
    first, second = (upload(request.getfixturevalue(kind)(hour), store).manifest for hour in (1, 2))
    for release in (first, second):
        outcome = roll_out(store, release.model, release.release, prober(store, send))
        assert outcome.reason is None
    assert outcome.pointer == Pointer(second.release, first.release, revision=2)


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        (
            "golden_classifier",
            {"cat": 0.9},
            "Golden request 0 has 'cat' at 0.924 in place of 0.900: train a new",
        ),
        ("golden_classifier", {"cat": float("nan")}, "Golden request 0 has 'cat' at 0.924 in place of nan"),
        ("golden_recommender", {"items": '["d", "a"]'}, "Golden request 0 has other items than in training"),
    ],
)
def test_another_response_rejects_the_release(
    store: Store, send: SendRequest, kind: str, changes: dict[str, Any], reason: str, request: pytest.FixtureRequest
) -> None:
    manifest = upload(request.getfixturevalue(kind)(**changes), store).manifest
    outcome = roll_out(store, manifest.model, manifest.release, prober(store, send))
    assert outcome.state == "rejected"
    assert reason in str(outcome.reason)


def test_rounding_differences_between_cpus_pass(store: Store, send: SendRequest, golden_classifier: Write) -> None:
    manifest = upload(golden_classifier(cat=0.91), store).manifest
    assert roll_out(store, manifest.model, manifest.release, prober(store, send)).state == "promoted"


def test_a_rejected_release_is_probed_again_if_a_person_requests_it(
    store: Store, send: SendRequest, golden_classifier: Write
) -> None:
    manifest = upload(golden_classifier(), store).manifest
    store.put(f"models/pets/releases/{manifest.release}/rejected.json", b'{"reason": "Then."}')
    assert roll_out(store, manifest.model, manifest.release, prober(store, send)).state == "promoted"


def test_functions_are_asked_for_the_release_and_for_all_labels(
    store: Store, functions: Lambda, golden_classifier: Write
) -> None:
    manifest = upload(golden_classifier(), store).manifest
    roll_out(store, manifest.model, manifest.release, prober(store, deployed()))
    (event,) = functions.events
    assert event["headers"]["x-larder-release"] == manifest.release
    assert (event["queryStringParameters"], event["isBase64Encoded"]) == ({"min_confidence": "0"}, True)


def response(status: int, message: str) -> Reply:
    return 200, {}, {"statusCode": status, "body": json.dumps({"error": {"code": "x", "message": message}})}


def failed(**payload: str) -> Reply:
    return 200, {"x-amz-function-error": "Unhandled"}, payload


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (response(422, "The ONNX graph does not load."), "got status 422: The ONNX graph does not load."),
        (response(500, "Larder failed; its log says why."), "got status 500: Larder failed"),
        (failed(errorType="Runtime.OutOfMemory"), "classify crashed on a golden request (Runtime.OutOfMemory)"),
        (failed(errorType="Runtime.ExitError", errorMessage="x"), "crashed on a golden request"),
        ((413, {"x-amzn-errortype": "RequestTooLargeException"}, {}), "too large for a function"),
    ],
)
def test_failures_that_the_release_causes_reject_it(
    store: Store, functions: Lambda, golden_classifier: Write, reply: Reply, reason: str
) -> None:
    manifest = upload(golden_classifier(), store).manifest
    functions.reply = reply
    outcome = roll_out(store, manifest.model, manifest.release, prober(store, deployed()))
    assert outcome.state == "rejected"
    assert reason in str(outcome.reason)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (response(503, "The store failed."), "classify was not ready: The store failed."),
        (
            failed(errorMessage="2026-01-02T03:04:05Z 1a2b Task timed out after 29 seconds"),
            "classify failed (timeout)",
        ),
        (failed(errorType="Sandbox.Timedout", errorMessage="x"), "classify failed (Sandbox.Timedout)"),
        (failed(errorType="Runtime.ImportModuleError"), "classify failed (Runtime.ImportModuleError): see its log"),
        ((403, {"x-amzn-errortype": "AccessDeniedException"}, {}), "could not be called (AccessDeniedException)"),
        ((429, {"x-amzn-errortype": "TooManyRequestsException"}, {}), "could not be called (TooManyRequestsException)"),
    ],
)
def test_other_failures_leave_the_release_undecided(
    store: Store, functions: Lambda, golden_classifier: Write, reply: Reply, reason: str
) -> None:
    manifest = upload(golden_classifier(), store).manifest
    before = {entry.key for entry in store.list()}
    functions.reply = reply
    with pytest.raises(FunctionUnavailable) as caught:
        roll_out(store, manifest.model, manifest.release, prober(store, deployed()))
    assert reason in str(caught.value)
    assert {entry.key.rpartition("/")[2] for entry in store.list() if entry.key not in before} == {"rollout.json"}


def test_an_unreachable_lambda_leaves_the_release_undecided(
    store: Store, functions: Lambda, golden_classifier: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = upload(golden_classifier(), store).manifest
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:9")
    with pytest.raises(FunctionUnavailable, match="EndpointConnectionError"):
        roll_out(store, manifest.model, manifest.release, prober(store, deployed()))
    assert functions.events == []

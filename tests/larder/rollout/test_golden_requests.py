"""Golden requests, put to the serving code in this process and to functions by Lambda's Invoke."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.toys.rollout import Lambda, Reply

from larder.errors import FunctionUnavailable
from larder.release.pointer import Pointer
from larder.rollout import SendRequest, prober, roll_out, upload
from larder.rollout.lambda_prober import LambdaProber
from larder.store import Store
from larder_training.release.local_prober import request_sender

Write = Callable[..., Path]


@pytest.fixture(params=["in this process", "by functions"])
def ask(request: pytest.FixtureRequest, store: Store) -> Iterator[SendRequest]:
    if request.param == "by functions":
        request.getfixturevalue("functions")
        yield deployed()
    else:
        with request_sender(store) as found:
            yield found


def deployed() -> LambdaProber:
    return LambdaProber.connect({"classifier": "classify", "recommender": "recommend"})


@pytest.mark.parametrize("kind", ["golden_classifier", "golden_recommender"])
def test_a_release_that_gives_its_golden_answers_goes_live(
    store: Store, ask: SendRequest, kind: str, request: pytest.FixtureRequest
) -> None:
    first, second = (upload(request.getfixturevalue(kind)(hour), store) for hour in (1, 2))
    for found in (first, second):
        outcome = roll_out(store, found.model, found.release, prober(store, ask))
        assert outcome.reason is None
    assert outcome.pointer == Pointer(second.release, first.release, revision=2)


@pytest.mark.parametrize(
    ("kind", "wrong", "reason"),
    [
        ("golden_classifier", {"cat": 0.9}, "Probe 0 gives 'cat' 0.924 in place of 0.900: train a new release"),
        ("golden_classifier", {"cat": float("nan")}, "Probe 0 gives 'cat' 0.924 in place of nan"),
        ("golden_recommender", {"items": '["d", "a"]'}, "Probe 0 gives other items than the training wrote down"),
    ],
)
def test_another_answer_refuses_the_release(
    store: Store, ask: SendRequest, kind: str, wrong: dict[str, Any], reason: str, request: pytest.FixtureRequest
) -> None:
    found = upload(request.getfixturevalue(kind)(**wrong), store)
    outcome = roll_out(store, found.model, found.release, prober(store, ask))
    assert outcome.state == "rejected"
    assert reason in str(outcome.reason)


def test_differences_between_cpus_pass(store: Store, ask: SendRequest, golden_classifier: Write) -> None:
    found = upload(golden_classifier(cat=0.91), store)
    assert roll_out(store, found.model, found.release, prober(store, ask)).state == "promoted"


def test_a_release_that_was_refused_is_probed_again_when_a_person_asks(
    store: Store, ask: SendRequest, golden_classifier: Write
) -> None:
    found = upload(golden_classifier(), store)
    store.put(f"models/pets/releases/{found.release}/rejected.json", b'{"reason": "Then."}')
    assert roll_out(store, found.model, found.release, prober(store, ask)).state == "promoted"


def test_functions_are_asked_for_the_very_release_and_for_every_label(
    store: Store, functions: Lambda, golden_classifier: Write
) -> None:
    found = upload(golden_classifier(), store)
    roll_out(store, found.model, found.release, prober(store, deployed()))
    (event,) = functions.events
    assert event["headers"]["x-larder-release"] == found.release
    assert (event["queryStringParameters"], event["isBase64Encoded"]) == ({"min_confidence": "0"}, True)


def answered(status: int, message: str) -> Reply:
    return 200, {}, {"statusCode": status, "body": json.dumps({"error": {"code": "x", "message": message}})}


def failed(**payload: str) -> Reply:
    return 200, {"x-amz-function-error": "Unhandled"}, payload


@pytest.mark.parametrize(
    ("instead", "reason"),
    [
        (answered(422, "The ONNX graph does not load."), "is answered with 422: The ONNX graph does not load."),
        (answered(500, "Larder failed; its log says why."), "is answered with 500: Larder failed"),
        (failed(errorType="Runtime.OutOfMemory"), "classify did not survive a golden request (Runtime.OutOfMemory)"),
        (failed(errorType="Runtime.ExitError", errorMessage="x"), "did not survive a golden request"),
        ((413, {"x-amzn-errortype": "RequestTooLargeException"}, {}), "larger than a function takes"),
    ],
)
def test_what_a_release_did_to_the_function_refuses_it(
    store: Store, functions: Lambda, golden_classifier: Write, instead: Reply, reason: str
) -> None:
    found = upload(golden_classifier(), store)
    functions.instead = instead
    outcome = roll_out(store, found.model, found.release, prober(store, deployed()))
    assert outcome.state == "rejected"
    assert reason in str(outcome.reason)


@pytest.mark.parametrize(
    ("instead", "reason"),
    [
        (answered(503, "The store failed."), "classify was not ready: The store failed."),
        (failed(errorMessage="2026-01-02T03:04:05Z 1a2b Task timed out after 29.00 seconds"), "it took too long"),
        (failed(errorType="Sandbox.Timedout", errorMessage="x"), "classify failed (Sandbox.Timedout)"),
        (failed(errorType="Runtime.ImportModuleError"), "classify failed (Runtime.ImportModuleError): look at its log"),
        ((403, {"x-amzn-errortype": "AccessDeniedException"}, {}), "could not be called (AccessDeniedException)"),
        ((429, {"x-amzn-errortype": "TooManyRequestsException"}, {}), "could not be called (TooManyRequestsException)"),
    ],
)
def test_what_says_nothing_about_the_release_decides_nothing(
    store: Store, functions: Lambda, golden_classifier: Write, instead: Reply, reason: str
) -> None:
    found = upload(golden_classifier(), store)
    before = sorted(entry.key for entry in store.list())
    functions.instead = instead
    with pytest.raises(FunctionUnavailable) as caught:
        roll_out(store, found.model, found.release, prober(store, deployed()))
    assert reason in str(caught.value)
    assert sorted(entry.key for entry in store.list()) == before


def test_lambda_out_of_reach_decides_nothing(
    store: Store, functions: Lambda, golden_classifier: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = upload(golden_classifier(), store)
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:9")
    with pytest.raises(FunctionUnavailable, match="EndpointConnectionError"):
        roll_out(store, found.model, found.release, prober(store, deployed()))
    assert functions.events == []

"""The definition ``workflows/retrain.asl.yaml`` runs in an interpreter of the states language, with our handler."""

import time
from collections.abc import Callable

import pytest
from tests.sagemaker.conftest import IMAGE, ROLE, SECONDS, Workflow, definition

from larder.jobs import current_job, request_stop
from larder.jobs.log import read_log
from larder.jobs.sagemaker.steps import TRAININGS_ARE_OFF
from larder.registry import Registry
from larder.release.keys import releases_prefix


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_request_becomes_a_release_whose_manifest_begins_a_rollout(workflow: Workflow, live: str) -> None:
    request = workflow.request()
    execution = workflow.start(request)
    assert workflow.wait(execution) == "SUCCEEDED"
    trail = workflow.trail(execution)
    assert list(dict.fromkeys(trail)) == [
        "Prepare",
        "IsReady",
        "Start",
        "Continues",
        "Wait",
        "Look",
        "Publish",
        "IsPublished",
        "Done",
    ]
    # THEN the job has completed, with the metrics and the log of the training
    status = workflow.status(request)
    assert (status.state, status.engine, status.reason) == ("completed", "sagemaker", None)
    assert status.metrics == {"test:recall@20": 0.25}
    assert str(status.arn).endswith(f":training-job/larder-shop-{request.job}")
    log = read_log(workflow.store, "shop", request.job, None, 10_000).text
    assert log == "Searching hyperparameters 1/2\ntest:recall@20=0.250000;\n"
    # AND its release is in the store, and not live before its rollout
    assert status.release in workflow.store.folders(releases_prefix("shop"))
    assert Registry(workflow.store).manifest("shop", str(status.release)).model == "shop"
    version = Registry(workflow.store).pointer("shop")
    assert version is not None
    assert version.pointer.stable == live
    # AND nothing else is left of the training, and the next one may run
    left = sorted(
        entry.key.rpartition("/")[2] for entry in workflow.store.list(f"models/shop/training-jobs/{request.job}")
    )
    assert left == ["log.txt", "request.json", "status.json"]
    assert current_job(workflow.store, "shop") is None


def test_what_a_training_job_gets(workflow: Workflow, live: str) -> None:
    request = workflow.request()
    assert workflow.wait(workflow.start(request)) == "SUCCEEDED"
    (job,) = workflow.jobs.jobs.values()
    sent, root = job.request, f"{workflow.store.url}/models/shop"
    assert sent["AlgorithmSpecification"]["TrainingImage"] == IMAGE
    assert sent["RoleArn"] == ROLE
    assert sent["HyperParameters"] == {"kind": "recommender", "model": "shop"}
    places = {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in sent["InputDataConfig"]
    }
    assert places == {
        "interactions": f"{workflow.store.url}/training-data/shop/log/",
        "model": f"{root}/releases/{live}/",  # what the gate compares with, on the same data
    }
    assert sent["OutputDataConfig"]["S3OutputPath"] == f"{root}/training-jobs/{request.job}/output/"
    assert sent["CheckpointConfig"]["S3Uri"] == f"{root}/training-jobs/{request.job}/checkpoints/"
    assert sent["EnableManagedSpotTraining"] is True
    assert sent["StoppingCondition"] == {"MaxRuntimeInSeconds": 6 * 3600, "MaxWaitTimeInSeconds": 12 * 3600}
    assert sent["EnableNetworkIsolation"] is True
    assert {tag["Key"]: tag["Value"] for tag in sent["Tags"]} == {"larder:model": "shop", "larder:job": request.job}


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("fail", "AlgorithmError: The channel has no rows: give at least 1,000., exit code: 1"),
        ("other", "The output of the training is not a release of shop: It is one of other."),
    ],
)
def test_a_failed_training_keeps_the_old_model_and_fails_the_execution(
    workflow: Workflow, live: str, mode: str, reason: str
) -> None:
    request = workflow.request(mode=mode)
    execution = workflow.start(request)
    # THEN the execution fails, which is the metric of the alarm TrainingFailed
    assert workflow.wait(execution) == "FAILED"
    assert workflow.trail(execution)[-1] == "Failed"
    # AND the status has the reason, the old release stays, and the next training may run
    status = workflow.status(request)
    assert (status.state, status.reason, status.release) == ("failed", reason, None)
    version = Registry(workflow.store).pointer("shop")
    assert version is not None
    assert version.pointer.stable == live
    assert workflow.store.folders(releases_prefix("shop")) == [live]
    again = workflow.request()
    assert workflow.wait(workflow.start(again)) == "SUCCEEDED"
    assert workflow.status(again).state == "completed"


def test_two_triggers_at_once_train_once(workflow: Workflow, live: str) -> None:
    assert live
    requests = [workflow.request(trigger="schedule"), workflow.request(trigger="events")]
    executions = [workflow.start(request) for request in requests]
    assert [workflow.wait(execution) for execution in executions] == ["SUCCEEDED", "SUCCEEDED"]
    states = {workflow.status(request).state: workflow.status(request).reason for request in requests}
    assert set(states) == {"completed", "skipped"}
    assert "one runs at a time" in str(states["skipped"])
    assert len(workflow.jobs.jobs) == 1


def test_an_event_that_comes_twice_trains_once(workflow: Workflow, live: str) -> None:
    assert live
    request = workflow.request()
    executions = [workflow.start(request), workflow.start(request)]
    assert [workflow.wait(execution) for execution in executions] == ["SUCCEEDED", "SUCCEEDED"]
    assert min(len(workflow.trail(execution)) for execution in executions) == 3  # Prepare, IsReady, Done
    # AND so does one that comes after the end
    assert workflow.wait(workflow.start(request)) == "SUCCEEDED"
    assert workflow.status(request).state == "completed"
    assert workflow.jobs.calls.count("CreateTrainingJob") == 1


def test_a_training_can_be_stopped(workflow: Workflow, live: str) -> None:
    assert live
    request = workflow.request(mode="hang")
    execution = workflow.start(request)
    wait_until(lambda: workflow.status(request).state == "running")
    assert request_stop(workflow.store, "shop", request.job, "ada").state == "stopping"
    assert workflow.wait(execution) == "SUCCEEDED"  # a stop was asked for, so it does not alarm
    assert workflow.status(request).state == "stopped"
    assert current_job(workflow.store, "shop") is None


def test_a_job_stopped_before_it_began_never_begins(workflow: Workflow, live: str) -> None:
    assert live
    request = workflow.request()
    request_stop(workflow.store, "shop", request.job, None)
    assert workflow.wait(workflow.start(request)) == "SUCCEEDED"
    assert workflow.status(request).state == "stopped"
    assert not workflow.jobs.jobs


def test_without_an_image_trainings_are_off(workflow: Workflow, live: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert live
    monkeypatch.setenv("LARDER_TRAINING_IMAGE", "")
    request = workflow.request()
    assert workflow.wait(workflow.start(request)) == "FAILED"
    assert workflow.status(request).reason == TRAININGS_ARE_OFF


def test_data_that_sagemaker_refuses_end_the_job_with_its_message(workflow: Workflow, live: str) -> None:
    assert live
    request = workflow.request(mode="x" * 2501)
    assert workflow.wait(workflow.start(request)) == "FAILED"
    reason = workflow.status(request).reason
    assert reason == ("Hyperparameter 'mode' cannot be passed to SageMaker: give one line of at most 2,500 characters.")


def test_a_step_that_fails_again_and_again_ends_the_job(
    workflow: Workflow, live: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert live
    # GIVEN a SageMaker that is not there, and no time between two attempts
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    machine = workflow.with_definition(
        definition()
        .replace('"IntervalSeconds": 5', '"IntervalSeconds": 1')
        .replace('"BackoffRate": 3', '"BackoffRate": 1')
    )
    request = workflow.request()
    execution = machine.start(request)
    assert machine.wait(execution) == "FAILED"
    assert machine.trail(execution) == ["Prepare", "IsReady", "Start", "Fail", "Failed"]
    status = machine.status(request)
    assert status.state == "failed"
    assert "The training broke off: EndpointConnectionError: Could not connect" in str(status.reason)
    assert current_job(machine.store, "shop") is None

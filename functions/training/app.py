"""Train models again: the steps of ``workflows/retrain.asl.yaml``, and what leads to a request of a training.

The state machine calls this with ``{"step": ...}``, EventBridge Scheduler with ``{"task": "schedule"}``, EventBridge
with a changed ``schedule.json`` or an alarm about drift. All of them may come more than once.
"""

import json
from typing import Any

from larder.errors import InvalidRequest, NotReady
from larder.jobs.sagemaker import causes
from larder.jobs.sagemaker.arguments import Machine
from larder.jobs.sagemaker.causes import Cause
from larder.jobs.sagemaker.connections import TrainingServices, connect
from larder.jobs.sagemaker.job_log import LogPosition
from larder.jobs.sagemaker.steps import Retraining, Step
from larder.jobs.sagemaker.timetable import Timetable
from larder.jobs.schedules import request_training
from larder.rollout import upload
from larder.runtime.cold_start import cold_start
from larder.runtime.settings import TrainingSettings
from larder.store import Store
from larder.web.bootstrap import Service


def _connect(_: Store, __: TrainingSettings) -> TrainingServices:
    return connect()


service = Service(TrainingSettings.from_environment, _connect)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401  # Lambda's context has no public type
    """Lambda's entry point. Returns how a step ended, or what came of a cause.

    Raises whatever does not concern the training itself: the caller repeats the event.
    """
    if "step" in event:
        answer = _step(event)
    elif event.get("task") == "schedule":
        answer = _ask("schedule", causes.planned_cause(event))
    elif cause := causes.drift_cause(event, service.settings.drift_alarms):
        answer = _ask("drift", cause)
    elif model := causes.changed_schedule_of(event):
        settings = service.settings
        timetable = Timetable(
            service.value.scheduler, settings.schedule_group, settings.schedule_role, context.invoked_function_arn
        )
        answer = {"model": model, "schedule": timetable.keep_in_step(service.store, model)}
    else:
        answer = {"state": "ignored"}
    print(json.dumps({"level": "INFO", **answer}), flush=True)  # noqa: T201  # it is the log
    return answer


def _step(event: dict[str, Any]) -> dict[str, Any]:
    try:
        model, job = causes.requested_job(event["event"])
    except InvalidRequest as error:  # a repetition would only bring the same event again
        return Step("ignored", str(error)).document()
    settings = service.settings
    machine = Machine(settings.image, settings.role, settings.instance, settings.max_hours)
    training = Retraining(service.store, machine, service.value, upload, (model, job, event["execution"]))
    step = event["step"]
    if step == "prepare":
        ended = training.prepare()
    elif step == "start":
        ended = training.start()
    elif step == "look":
        ended = training.look(LogPosition.read(event.get("log")))
    elif step == "publish":
        ended = training.publish()
    elif step == "fail":
        ended = training.fail(str(event["error"].get("Error", "")), str(event["error"].get("Cause", "")))
    else:
        raise InvalidRequest(f"{step!r:.60} is not a step: update the state machine and the function together.")
    return {"model": model, "job": job, **ended.document()}


def _ask(trigger: Any, cause: Cause) -> dict[str, Any]:  # noqa: ANN401
    try:
        request = request_training(service.store, cause.model, trigger, cause.text, cause.at)
    except (InvalidRequest, NotReady) as error:
        return {"model": cause.model, "state": "ignored", "reason": str(error), "level": "ERROR"}
    if request is None:
        return {"model": cause.model, "state": "ignored", "reason": "Its schedule is off."}
    return {"model": cause.model, "state": "asked", "job": request.job}


cold_start.imported()

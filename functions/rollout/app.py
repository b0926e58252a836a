"""Roll out the release whose manifest was uploaded: it goes live, or it is rejected with a reason next to it.

Lambda calls this for each event of the bucket, at least once and in any order, and again if it raises. An exception
therefore means a failure that does not concern the release.
"""

import time
from typing import Any

from larder.errors import InvalidRequest
from larder.release.manifest import Kind
from larder.rollout import prober, roll_out
from larder.rollout.aws.lambda_prober import LambdaProber
from larder.rollout.aws.log_record import format_record
from larder.rollout.aws.s3_event import parse_event
from larder.runtime.cold_start import cold_start
from larder.runtime.settings import RolloutSettings
from larder.store import Store
from larder.web.bootstrap import Service


def _connect(_: Store, settings: RolloutSettings) -> LambdaProber:
    functions: dict[Kind, str] = {"classifier": settings.classify_function, "recommender": settings.recommend_function}
    return LambdaProber.connect(functions)


service = Service(RolloutSettings.from_environment, _connect)


def handler(event: dict[str, Any], context: object) -> dict[str, str | None]:
    """Lambda's entry point; events are EventBridge's of S3. Returns how the rollout ended, and why."""
    begun = time.perf_counter()
    store, lambda_prober = service.store, service.value
    try:
        model, release = parse_event(event)
    except InvalidRequest as error:  # an exception would only bring the same event again
        return {"state": "ignored", "reason": str(error)}
    outcome = roll_out(store, model, release, prober(store, lambda_prober), event=True)
    request = getattr(context, "aws_request_id", None)
    print(format_record(outcome, 1000 * (time.perf_counter() - begun), request), flush=True)  # noqa: T201  # it is the log
    return {"state": outcome.state, "reason": outcome.reason}


cold_start.imported()

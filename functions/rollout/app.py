"""An uploaded manifest becomes a release that answers, or one that is refused with its reason beside it.

Lambda calls this for each event of the bucket, maybe twice and in any order, and once more where it raises: what it
raises says nothing about the release.
"""

import os
import time
from functools import cache
from typing import Any

from larder.errors import InvalidRequest
from larder.release.manifest import Kind
from larder.rollout import prober, roll_out
from larder.rollout.lambda_prober import LambdaProber
from larder.rollout.log_record import format_record
from larder.rollout.s3_event import parse_event
from larder.runtime.settings import RolloutSettings
from larder.store import Store, open_store


@cache
def bundle() -> tuple[Store, LambdaProber]:
    """What the environment names: opened at the first event, kept for all that follow."""
    given = RolloutSettings.from_environment(os.environ)
    functions: dict[Kind, str] = {"classifier": given.classify_function, "recommender": given.recommend_function}
    return open_store(given.store), LambdaProber.connect(functions)


def handler(event: dict[str, Any], context: object) -> dict[str, str | None]:
    """Lambda's entry point; events are EventBridge's of S3. Returns how the rollout ended, and why."""
    begun = time.perf_counter()
    store, ask = bundle()
    try:
        model, release = parse_event(event)
    except InvalidRequest as error:  # raising would only bring the same event again
        return {"state": "ignored", "reason": str(error)}
    outcome = roll_out(store, model, release, prober(store, ask), event=True)
    request = getattr(context, "aws_request_id", None)
    print(format_record(outcome, 1000 * (time.perf_counter() - begun), request), flush=True)  # noqa: T201  # it is the log
    return {"state": outcome.state, "reason": outcome.reason}

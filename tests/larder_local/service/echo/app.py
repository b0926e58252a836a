"""Answers with what it was given."""

import os
from typing import Any, Protocol

import borrowed  # type: ignore[import-not-found]  # only the layer has it

_KEPT = ("AWS_LAMBDA_", "STORE", "SHARED", "STAGE", "CHOSEN", "NOTHING", "JOINED", "LAMBDA_TASK_ROOT", "_HANDLER")


class Context(Protocol):
    """What is used of Lambda's context."""

    invoked_function_arn: str
    memory_limit_in_mb: str

    def get_remaining_time_in_millis(self) -> int:
        """Until the function's time-out."""


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """The event, the context, the environment and the working folder; no statusCode, so the whole is the body."""
    return {
        "event": event,
        "greeting": borrowed.GREETING,
        "environment": {name: value for name, value in os.environ.items() if name.startswith(_KEPT)},
        "secret": os.environ.get("NOT_FOR_HANDLERS"),
        "folder": os.getcwd(),  # noqa: PTH109  the working folder is what is asked for
        "pid": os.getpid(),
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "left": context.get_remaining_time_in_millis(),
    }

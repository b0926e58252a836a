"""Returns its event, context and environment."""

import os
from typing import Any, Protocol

import from_layer  # type: ignore[import-not-found]  # a module of the layer

_SHOWN = ("AWS_LAMBDA_", "STORE", "SHARED", "STAGE", "CHOSEN", "NOTHING", "JOINED", "LAMBDA_TASK_ROOT", "_HANDLER")


class Context(Protocol):
    """The part of Lambda's context that the handler uses."""

    invoked_function_arn: str
    memory_limit_in_mb: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function's time-out."""


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Returns no statusCode, so that API Gateway takes the whole document as the body."""
    return {
        "event": event,
        "greeting": from_layer.GREETING,
        "environment": {name: value for name, value in os.environ.items() if name.startswith(_SHOWN)},
        "secret": os.environ.get("NOT_FOR_HANDLERS"),
        "folder": os.getcwd(),  # noqa: PTH109  the working folder
        "pid": os.getpid(),
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "left": context.get_remaining_time_in_millis(),
    }

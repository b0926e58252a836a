"""The Lambda Runtime API, version 2018-06-01, for one worker on a port of its own.

Follows "Using the Lambda runtime API for custom runtimes" in the AWS Lambda developer guide: ``next``, ``response``,
``error`` and ``init/error``.
"""

import asyncio
import json
from dataclasses import dataclass, field
from enum import IntEnum
from types import TracebackType
from typing import Final, Protocol

from aiohttp import web

from larder_local.gateway.event import MAX_ANSWER

_PREFIX: Final = "/2018-06-01/runtime"
_CLOSE_SECONDS: Final = 1.0


class Failure(IntEnum):
    """Why an event has no answer; the value is the HTTP status of the response."""

    HANDLER = 500  # it did not load, raised, exceeded its time-out or returned too many bytes
    WORKER = 502  # the process ended before the handler returned


@dataclass(slots=True, eq=False)
class Invocation:
    """One event from the queue to its answer.

    Attributes:
        request_id: Lambda's request id.
        event: The event's JSON.
        arn: The ARN of the function.
        trace: The X-Ray trace header.
        deadline: Milliseconds since the epoch; set when a worker takes the invocation.
        answer: The handler's JSON, or why there is none.
    """

    request_id: str
    event: bytes
    arn: str
    trace: str
    deadline: int = 0
    answer: "asyncio.Future[bytes | Failure]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def finish(self, payload: bytes | Failure) -> None:
        """Sets the answer, unless it is set already."""
        if not self.answer.done():
            self.answer.set_result(payload)


class RuntimeListener(Protocol):
    """What the Runtime API calls: the side of the worker whose process it serves."""

    async def next(self) -> Invocation:
        """Waits for the next invocation."""

    def done(self, request_id: str, payload: bytes | None) -> bool:
        """Receives an answer, or None for a failed handler; returns False if ``request_id`` is not the current one."""

    def init_failed(self, reason: str) -> None:
        """Receives the reason why the handler does not load."""


class RuntimeApi:
    """A context manager that serves ``worker`` on 127.0.0.1; entering it returns the port."""

    def __init__(self, worker: RuntimeListener) -> None:
        self._worker = worker
        self._web = web.Server(self._answer)
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> int:
        self._server = await asyncio.get_running_loop().create_server(self._web, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._server:
            self._server.close()
        await self._web.shutdown(_CLOSE_SECONDS)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        match request.method, request.path.removeprefix(_PREFIX).split("/")[1:]:
            case "GET", ["invocation", "next"]:
                return _event(await self._worker.next())
            case "POST", ["invocation", request_id, "response"]:
                return await self._response(request, request_id)
            case "POST", ["invocation", request_id, "error"]:
                await _read(request)
                return _accepted(known=self._worker.done(request_id, None))
            case "POST", ["init", "error"]:
                self._worker.init_failed(_reason(await _read(request)))
                return _accepted(known=True)
        return _refused(404, "UnknownOperation", request.path)

    async def _response(self, request: web.BaseRequest, request_id: str) -> web.Response:
        payload = await _read(request)
        if payload is None:
            self._worker.done(request_id, None)
            return _refused(
                413, "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({MAX_ANSWER} bytes)."
            )
        return _accepted(known=self._worker.done(request_id, payload))


def _event(invocation: Invocation) -> web.Response:
    headers = {
        "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
        "Lambda-Runtime-Deadline-Ms": str(invocation.deadline),
        "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
        "Lambda-Runtime-Trace-Id": invocation.trace,
    }
    return web.Response(body=invocation.event, content_type="application/json", headers=headers)


async def _read(request: web.BaseRequest) -> bytes | None:
    """The body, or None if it is longer than an answer may be.

    A longer body is still read to its end, because the runtime client reads the response only after it has sent
    everything.
    """
    body = bytearray()
    length = 0
    async for chunk in request.content.iter_any():
        length += len(chunk)
        if length <= MAX_ANSWER:
            body += chunk
    return bytes(body) if length <= MAX_ANSWER else None


def _reason(body: bytes | None) -> str:
    try:
        error = json.loads(body or b"{}")
        return f"{error['errorType']}: {error['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return "the handler does not load"


def _accepted(*, known: bool) -> web.Response:
    return (
        web.json_response({"status": "OK"}, status=202)
        if known
        else _refused(400, "InvalidRequestID", "This is not the id of the current invocation.")
    )


def _refused(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"errorType": kind, "errorMessage": message}, status=status)

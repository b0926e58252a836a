"""The server of the gateway: HTTP in, an event to the function of the route, HTTP out."""

import asyncio
import errno
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict

from larder.errors import SettingsError
from larder_local.gateway.event import (
    MAX_BODY,
    MAX_EVENT,
    HttpRequest,
    HttpResponse,
    decode,
    encode,
    failure,
    new_request_id,
)
from larder_local.gateway.logs import FunctionLog
from larder_local.gateway.pool import Busy, Pool
from larder_local.gateway.routes import Route, find
from larder_local.gateway.runtime_api import Failure
from larder_local.gateway.template import Template

HOST: Final = "127.0.0.1"
_INTEGRATION_SECONDS: Final = 30.0  # how long an HTTP API waits for a function
_HEADER_BYTES: Final = 10240  # quota of an HTTP API for the request line and headers
_DRAIN_SECONDS: Final = 5.0
_RETIRE_SECONDS: Final = 60.0
_log = logging.getLogger("larder.access")
_http = logging.getLogger("larder.http")


def _without_request_text(record: logging.LogRecord) -> bool:
    """Logs malformed HTTP in one line. aiohttp's stack trace quotes the request, which may contain a user's id."""
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
        record.msg, record.args, record.exc_info = "- 400 malformed HTTP request", (), None
    return True


_http.addFilter(_without_request_text)


class Gateway:
    """Serves the routes of a template on 127.0.0.1. Call ``start`` and ``close`` in the same event loop."""

    def __init__(self, template: Template, *, logs: Path, workers: int, timeout: float = _INTEGRATION_SECONDS) -> None:
        self._template = template
        self._timeout = timeout
        self._pools = {
            name: Pool(function, FunctionLog(logs / f"{name}.log"), workers)
            for name, function in template.functions.items()
        }
        self._runner: web.AppRunner | None = None
        self._retiring: asyncio.Task[None] | None = None

    async def start(self, port: int) -> str:
        """Listens, starts one worker of each function, and returns the address when all have loaded.

        ``port`` 0 selects a free port. Raises SettingsError if the port is taken.
        """
        application = web.Application()
        # Not ".*": a path may contain a percent-encoded line break.
        application.router.add_route("*", r"/{path:[\s\S]*}", self._serve, expect_handler=_expect)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            auto_decompress=False,
            logger=_http,
            keepalive_timeout=75,
            max_field_size=_HEADER_BYTES,
            max_line_size=_HEADER_BYTES,
            shutdown_timeout=_DRAIN_SECONDS,
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, HOST, port).start()
        except OSError as error:
            await self._runner.cleanup()
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                raise SettingsError(
                    f"Port {port} of {HOST} is taken or not allowed: set LARDER_PORT to another port.", []
                ) from error
            raise
        await asyncio.gather(*(pool.warm() for pool in self._pools.values()))
        self._retiring = asyncio.get_running_loop().create_task(self._retire())
        return f"http://{HOST}:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Refuses new requests, waits a few seconds for the running ones, then stops every worker."""
        if self._retiring:
            self._retiring.cancel()
        if self._runner:
            await self._runner.cleanup()
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))

    async def _retire(self) -> None:
        while True:
            await asyncio.sleep(_RETIRE_SECONDS)
            for pool in self._pools.values():
                pool.retire()

    async def _serve(self, request: web.Request) -> web.Response:
        started, request_id = time.perf_counter(), new_request_id()
        match = find(self._template.routes, request.method, request.rel_url.raw_path)
        response = await self._respond(request, request_id, *match) if match else failure(404)
        # The log has the pattern of the route, not the path: a path or a query string may contain a user's id.
        route_key = match[0].key if match else "-"
        _log.info("%s %d %.1f ms", route_key, response.status, 1000 * (time.perf_counter() - started))
        headers = CIMultiDict(response.headers)
        headers["apigw-requestid"] = request_id
        headers["server"] = "larder"
        return web.Response(status=response.status, headers=headers, body=response.body)

    async def _respond(
        self, request: web.Request, request_id: str, route: Route, variables: Mapping[str, str]
    ) -> HttpResponse:
        try:
            async with asyncio.timeout(self._timeout):
                body = await _read(request)
        except TimeoutError:
            return failure(408)
        except (ConnectionError, web.RequestPayloadError):
            return failure(400)  # the caller closed the connection during the body
        if body is None:
            return failure(413)
        call = HttpRequest(
            method=request.method,
            path=request.rel_url.raw_path,
            query=request.rel_url.raw_query_string,
            headers=list(request.headers.items()),
            body=body,
            address=request.remote or HOST,
        )
        event = encode(call, route, variables, request_id)
        if len(event) > MAX_EVENT:
            return failure(413)
        return await self._invoke(route.function, event)

    async def invoke(self, function: str, event: bytes) -> bytes | Failure:
        """The JSON that a function returns for an event that comes not by HTTP, or why there is none; raises Busy.

        The function's own time-out limits it, not the one of an HTTP API.
        """
        return await self._pools[function].invoke(event)

    async def _invoke(self, function: str, event: bytes) -> HttpResponse:
        try:
            async with asyncio.timeout(self._timeout):
                payload = await self._pools[function].invoke(event)
        except (Busy, TimeoutError):
            return failure(503)
        return failure(payload) if isinstance(payload, Failure) else decode(payload)


async def _expect(request: web.Request) -> web.Response | None:
    """Answers ``Expect: 100-continue``, so that a caller does not send a body that would be refused."""
    if (request.content_length or 0) > MAX_BODY:
        response = failure(413)
        return web.Response(status=response.status, headers=CIMultiDict(response.headers), body=response.body)
    if request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return None


async def _read(request: web.Request) -> bytes | None:
    """The body as sent, or None if it is larger than API Gateway allows."""
    if (request.content_length or 0) > MAX_BODY:
        return None
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)

"""The gateway's own server: HTTP in, an event to the route's function, HTTP out."""

import asyncio
import errno
import logging
import time
from collections.abc import Callable
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
from larder_local.gateway.routes import find
from larder_local.gateway.runtime_api import Failure
from larder_local.gateway.template import Template

HOST: Final = "127.0.0.1"
_INTEGRATION_SECONDS: Final = 30.0  # what an HTTP API waits for a function
_HEADER_BYTES: Final = 10240  # the quota of an HTTP API for the request line and headers
_DRAIN_SECONDS: Final = 5.0
_RETIRE_SECONDS: Final = 60.0
_log = logging.getLogger("larder.access")
_http = logging.getLogger("larder.http")


def _told_without_its_text(record: logging.LogRecord) -> bool:
    """For what is no HTTP: one line, and not aiohttp's stack trace, which quotes the request and so may name a user."""
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
        record.msg, record.args, record.exc_info = "- 400, which was no request that can be read", (), None
    return True


_http.addFilter(_told_without_its_text)


class Gateway:
    """Serves a template's routes on 127.0.0.1. Start it, then close it; both in one event loop."""

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
        """Listens, starts a first worker of each function and returns the address once all have loaded.

        ``port`` 0 takes any free one. Raises SettingsError where the port is taken.
        """
        application = web.Application()
        # Not ".*": a path may hold a line break, percent-encoded.
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
                    f"Port {port} of {HOST} is taken or not allowed: set LARDER_PORT to another.", []
                ) from error
            raise
        await asyncio.gather(*(pool.warm() for pool in self._pools.values()))
        self._retiring = asyncio.get_running_loop().create_task(self._retire())
        return f"http://{HOST}:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Refuses new requests, lets running ones end for a few seconds, then stops every worker."""
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
        begun, request_id = time.perf_counter(), new_request_id()
        told = ["-"]
        reply = await self._reply(request, request_id, told.append)
        # The route's pattern, not the path: a path or a query string may name a user.
        _log.info("%s %d %.1f ms", told[-1], reply.status, 1000 * (time.perf_counter() - begun))
        headers = CIMultiDict(reply.headers)
        headers["apigw-requestid"] = request_id
        headers["server"] = "larder"
        return web.Response(status=reply.status, headers=headers, body=reply.body)

    async def _reply(self, request: web.Request, request_id: str, tell: Callable[[str], None]) -> HttpResponse:
        url = request.rel_url
        found = find(self._template.routes, request.method, url.raw_path)
        if not found:
            return failure(404)
        route, variables = found
        tell(route.key)
        try:
            async with asyncio.timeout(self._timeout):
                body = await _read(request)
        except TimeoutError:
            return failure(408)
        except (ConnectionError, web.RequestPayloadError):
            return failure(400)  # the caller hung up in the middle of it
        if body is None:
            return failure(413)
        call = HttpRequest(
            method=request.method,
            path=url.raw_path,
            query=url.raw_query_string,
            headers=list(request.headers.items()),
            body=body,
            address=request.remote or HOST,
        )
        event = encode(call, route, variables, request_id)
        if len(event) > MAX_EVENT:
            return failure(413)
        return await self._invoke(route.function, event)

    async def _invoke(self, function: str, event: bytes) -> HttpResponse:
        try:
            async with asyncio.timeout(self._timeout):
                payload = await self._pools[function].invoke(event)
        except (Busy, TimeoutError):
            return failure(503)
        return failure(payload) if isinstance(payload, Failure) else decode(payload)


async def _expect(request: web.Request) -> web.Response | None:
    """Answers ``Expect: 100-continue``: a body that will be refused need not be sent."""
    if (request.content_length or 0) > MAX_BODY:
        reply = failure(413)
        return web.Response(status=reply.status, headers=CIMultiDict(reply.headers), body=reply.body)
    if request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return None


async def _read(request: web.Request) -> bytes | None:
    """The body as it was sent, or None where it is larger than API Gateway takes."""
    if (request.content_length or 0) > MAX_BODY:
        return None
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)

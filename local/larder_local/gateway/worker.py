"""A worker: one process that runs a handler under AWS's runtime client, one event at a time."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import Final, Protocol

from larder_local.gateway.cloudformation import REGION
from larder_local.gateway.logs import FunctionLog
from larder_local.gateway.runtime_api import Failure, Invocation, RuntimeApi
from larder_local.gateway.template import Function

_LOAD_SECONDS: Final = 60.0  # Lambda allows 10; a cold disk or a busy machine may need more
_log = logging.getLogger("larder")
# The variables of this machine that a handler gets.
_INHERITED: Final = ("HOME", "LANG", "LC_ALL", "PATH", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV")


class IdleListener(Protocol):
    """What a worker calls when it is idle: a part of its pool."""

    def idle(self, worker: "Worker") -> None:
        """Receives a worker that waits for an event."""


class Worker:
    """A worker process from start to end.

    Attributes:
        loaded: Whether the handler is loaded.
        event_count: How many events it has received.
        retired: Whether it was stopped because it was idle.
    """

    def __init__(self, function: Function, pool: IdleListener, log: FunctionLog) -> None:
        self.loaded = False
        self.event_count = 0
        self.retired = False
        self._function = function
        self._pool = pool
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._waiting: asyncio.Future[Invocation] | None = None
        self._current: Invocation | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Starts the process and returns when it has ended for any reason."""
        try:
            async with RuntimeApi(self) as port:
                await self._run_process(port)
        finally:
            self._stop_timer()
            if self._current:
                self._current.finish(Failure.WORKER)

    async def _run_process(self, port: int) -> None:
        self._start_timer(_LOAD_SECONDS, f"did not load its handler within {_LOAD_SECONDS:.0f} s")
        self._process = process = await asyncio.create_subprocess_exec(
            *(*self._function.program, str(os.getpid()), self._function.handler),
            cwd=self._function.code,
            env=environment(self._function, port),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal goes to the gateway, which then stops its workers
        )
        try:
            if process.stdout:
                await self._log.copy(process.stdout)
            status = await process.wait()
            if self._current:
                _log.warning(
                    "%s ended with status %s during an event: see %s", self._function.name, status, self._log.path
                )
        finally:
            self.kill()
            await process.wait()
            if self._waiting:
                self._waiting.cancel()  # otherwise the Runtime API waits for it

    def kill(self) -> None:
        """Kills the process and its children."""
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    @property
    def waiting(self) -> bool:
        """Whether it can take an event: its process is connected to the Runtime API and waits for one."""
        return self._waiting is not None and not self._waiting.done()

    def take(self, invocation: Invocation) -> None:
        """Sends an event to this worker, which must be waiting. The function's time-out starts here."""
        if not self._waiting or self._waiting.done():
            raise RuntimeError("this worker is not idle")
        self.event_count += 1
        self._current = invocation
        invocation.deadline = int((time.time() + self._function.timeout) * 1000)
        self._start_timer(self._function.timeout, f"timed out after {self._function.timeout} s")
        self._waiting.set_result(invocation)
        self._waiting = None

    def holds(self, invocation: Invocation) -> bool:
        """Whether ``invocation`` is this worker's current one."""
        return self._current is invocation

    async def next(self) -> Invocation:
        """Called by the Runtime API: waits for an event."""
        self._stop_timer()
        self.loaded = True
        waiting: asyncio.Future[Invocation] = asyncio.get_running_loop().create_future()
        self._waiting = waiting
        self._pool.idle(self)
        return await waiting

    def done(self, request_id: str, payload: bytes | None) -> bool:
        """Called by the Runtime API with the handler's answer."""
        invocation = self._current
        if invocation is None or invocation.request_id != request_id:
            return False
        self._stop_timer()
        self._current = None
        if payload is None:
            _log.warning("%s failed: see %s", self._function.name, self._log.path)
        invocation.finish(Failure.HANDLER if payload is None else payload)
        return True

    def init_failed(self, reason: str) -> None:
        """Called by the Runtime API with the reason why the handler does not load. The process then ends by itself."""
        _log.error("%s cannot start: %s. See %s", self._function.name, reason, self._log.path)

    def _start_timer(self, seconds: float, problem: str) -> None:
        def expire() -> None:
            _log.warning("%s %s: its worker is stopped", self._function.name, problem)
            if self._current:
                self._current.finish(Failure.HANDLER)
                self._current = None
            self.kill()

        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, expire)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


def environment(function: Function, port: int) -> Mapping[str, str]:
    """The environment of a handler: the variables that Lambda sets, and over them those of the function."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {
        **inherited,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": "JSON" if function.json_logs else "Text",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{time.strftime('%Y/%m/%d', time.gmtime())}/[$LATEST]{port:032x}",
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_REGION": REGION,
        "LAMBDA_TASK_ROOT": str(function.code),
        "PYTHONPATH": os.pathsep.join(str(layer) for layer in function.layers),
        "TZ": ":UTC",
        "_HANDLER": function.handler,
        **function.environment,
    }

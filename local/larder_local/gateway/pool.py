"""The workers of a function: from one to the allowed number, behind a bounded queue."""

import asyncio
import logging
import secrets
import time
from collections import deque
from typing import Final
from uuid import uuid4

from larder_local.gateway.cloudformation import ACCOUNT, REGION
from larder_local.gateway.logs import FunctionLog
from larder_local.gateway.runtime_api import Failure, Invocation
from larder_local.gateway.template import Function
from larder_local.gateway.worker import Worker

_LONGEST_QUEUE: Final = 128  # events of at most 6 MB, so under 1 GB in total
_LONGEST_PAUSE: Final = 30.0  # seconds between two attempts to start a handler that does not load
_IDLE_SECONDS: Final = 300.0  # then all but one worker are stopped, as Lambda stops idle environments
_log = logging.getLogger("larder")


class Busy(Exception):
    """All workers are busy and the queue is full."""


class Pool:
    """Runs one function on 1 to ``max_workers`` workers.

    An event goes to the idle worker that was busy last (its caches are the warmest). If none is idle, the event waits
    in the queue while another worker starts.

    A worker that ends during an event is replaced at once. A worker that ends before it waits for events has a handler
    that does not load: the next one starts at a request, after a pause that doubles each time. Until then, requests
    fail at once.
    """

    def __init__(self, function: Function, log: FunctionLog, max_workers: int) -> None:
        self.function = function
        self._log = log
        self._max_workers = max_workers
        self._workers: dict[Worker, asyncio.Task[None]] = {}
        self._idle: list[Worker] = []
        self._idle_since: dict[Worker, float] = {}
        self._queue: deque[Invocation] = deque()
        self._failures = 0
        self._not_before = 0.0
        self._closed = False
        self._first_started = asyncio.Event()  # or failed to start

    async def warm(self) -> bool:
        """Starts the first worker. Returns True once it waits for events, False if its handler does not load."""
        self._spawn()
        await self._first_started.wait()
        return self._failures == 0

    async def invoke(self, event: bytes) -> bytes | Failure:
        """The handler's JSON for ``event``, or why there is none; raises Busy. Cancelling the call stops the worker."""
        if len(self._queue) >= _LONGEST_QUEUE:
            raise Busy
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.function.name}"
        trace = f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)};Parent={secrets.token_hex(8)};Sampled=0"
        invocation = Invocation(str(uuid4()), event, arn, trace)
        self._queue.append(invocation)
        self._dispatch()
        try:
            return await invocation.answer
        finally:
            self._drop(invocation)

    async def close(self) -> None:
        """Stops every worker and fails the events in the queue."""
        self._closed = True
        for worker in self._workers:
            worker.kill()
        if self._workers:
            await asyncio.wait(self._workers.values())
        self._fail_all()
        self._log.close()

    def idle(self, worker: Worker) -> None:
        """Called by ``worker`` when it waits for an event."""
        self._failures = 0
        self._first_started.set()
        self._idle.append(worker)
        self._idle_since[worker] = asyncio.get_running_loop().time()
        self._dispatch()

    def retire(self) -> None:
        """Stops workers that were idle for a long time, except one. The caller repeats this at intervals."""
        now = asyncio.get_running_loop().time()
        for worker in [w for w in self._idle[:-1] if now - self._idle_since[w] > _IDLE_SECONDS]:
            self._idle.remove(worker)
            worker.retired = True
            worker.kill()

    def _dispatch(self) -> None:
        while self._queue and self._idle:
            worker = self._idle.pop()
            if worker.waiting:  # otherwise it was just killed and is about to end
                worker.take(self._queue.popleft())
        starting = sum(not worker.loaded for worker in self._workers)
        may_start = asyncio.get_running_loop().time() >= self._not_before and not self._closed
        if may_start:
            for _ in range(min(len(self._queue) - starting, self._max_workers - len(self._workers))):
                self._spawn()
        if not self._workers:
            self._fail_all()

    def _spawn(self) -> None:
        worker = Worker(self.function, self, self._log)
        task = asyncio.get_running_loop().create_task(worker.run())
        self._workers[worker] = task
        task.add_done_callback(lambda task: self._ended(worker, task))

    def _ended(self, worker: Worker, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            _log.error("A worker of %s failed to run", self.function.name, exc_info=error)
        del self._workers[worker]
        self._idle_since.pop(worker, None)
        if worker in self._idle:
            self._idle.remove(worker)
        if self._closed or worker.retired:
            return
        if worker.event_count:
            if not self._workers:
                self._spawn()
        elif not worker.loaded:
            self._failures += 1
            pause = min(2.0 ** (self._failures - 1), _LONGEST_PAUSE)
            self._not_before = asyncio.get_running_loop().time() + pause
        self._first_started.set()
        self._dispatch()

    def _drop(self, invocation: Invocation) -> None:
        if invocation in self._queue:
            self._queue.remove(invocation)
        for worker in self._workers:
            if worker.holds(invocation):
                worker.kill()

    def _fail_all(self) -> None:
        while self._queue:
            self._queue.popleft().finish(Failure.HANDLER)

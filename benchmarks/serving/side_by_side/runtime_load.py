"""Load on functions: a Runtime API that always has a next event, so that the function never waits for a caller.

A lap is from sending an event to receiving its response: AWS's runtime client, the handler, and two HTTP requests
between them and this process, which runs on another core.
"""

import asyncio
import itertools
import json
import statistics
import time
from collections.abc import Sequence
from typing import Final
from uuid import uuid4

from larder_local.gateway.runtime_api import Invocation, RuntimeApi
from side_by_side.containers import worker
from side_by_side.contenders import Bundle, Result
from side_by_side.http_load import percentile
from side_by_side.processes import cpu_seconds, memory

_ARN: Final = "arn:aws:lambda:us-east-1:000000000000:function:benchmark"
_WARM_UP_SECONDS: Final = 2.0
_PATIENCE: Final = 60.0


class Source:
    """The events of one worker, in turn; records ``laps`` in seconds, and the responses if ``keep``."""

    def __init__(self, events: Sequence[bytes], *, keep: bool) -> None:
        self.laps: list[float] = []
        self.responses: list[bytes] = []
        self._keep = keep
        self._events = itertools.cycle(events)
        self._open, self._idle = asyncio.Event(), asyncio.Event()
        self._begun = 0.0
        self._failure: str | None = None

    async def next(self) -> Invocation:
        """For the Runtime API: the next event, without delay while laps are measured."""
        self._idle.set()
        await self._open.wait()
        self._idle.clear()
        deadline = int((time.time() + _PATIENCE) * 1000)
        self._begun = time.perf_counter()
        return Invocation(str(uuid4()), next(self._events), _ARN, "Root=1-0-0", deadline)

    def done(self, request_id: str, payload: bytes | None) -> bool:  # noqa: ARG002  one at a time
        """For the Runtime API: records the response."""
        self.laps.append(time.perf_counter() - self._begun)
        if payload is None or b'"statusCode": 200' not in payload:
            self._failure = repr(payload)
        elif self._keep:
            self.responses.append(payload)
        return True

    def init_failed(self, reason: str) -> None:
        """For the Runtime API: the handler does not load."""
        self._failure = reason
        self._idle.set()

    async def run(self, seconds: float) -> list[float]:
        """Lets the worker run for ``seconds``; returns its laps. Raises RuntimeError if a response is not a success."""
        await self.wait()
        self.laps.clear()
        self._open.set()
        await asyncio.sleep(seconds)
        self._open.clear()
        await self.wait()
        return list(self.laps)

    async def wait(self) -> None:
        """Waits until the worker is idle."""
        async with asyncio.timeout(_PATIENCE):
            await asyncio.sleep(0)
            await self._idle.wait()
        if self._failure:
            raise RuntimeError(f"The function failed: {self._failure[:500]}")


async def measure(bundle: Bundle, seconds: float, result: Result) -> None:
    """Adds one round to ``result``, with one worker, as a Lambda environment has its own share of a processor."""
    source = Source(bundle.events, keep=bundle.returns_time)
    async with RuntimeApi(source) as port:
        with worker(bundle, port) as process:
            await source.run(_WARM_UP_SECONDS)
            source.responses.clear()
            before, begun = cpu_seconds([process]), time.perf_counter()
            laps = await source.run(seconds)
            result.rate.append(len(laps) / (time.perf_counter() - begun))
            result.cpu.append((cpu_seconds([process]) - before) / len(laps))
            result.p50.append(percentile(laps, 0.50))
            result.p99.append(percentile(laps, 0.99))
            result.memory.append(memory([process]))
    if bundle.returns_time:
        result.inner.append(
            statistics.median(float(json.loads(response)["body"]) / 1e3 for response in source.responses)
        )

"""The pool when a worker ends just as an event arrives."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.larder_local.conftest import SERVICE

from larder_local.gateway.logs import FunctionLog
from larder_local.gateway.pool import Pool
from larder_local.gateway.runtime_api import Failure
from larder_local.gateway.template import load
from larder_local.gateway.worker import Worker

EVENT = json.dumps({"pathParameters": {"action": "pid"}}).encode()


def parse(answer: bytes | Failure) -> dict[str, object]:
    assert isinstance(answer, bytes)
    document: dict[str, object] = json.loads(answer)
    return document


def with_pool(tmp_path: Path, work: Callable[[Pool, FunctionLog], Awaitable[None]]) -> None:
    async def run() -> None:
        log = FunctionLog(tmp_path / "Lab.log")
        pool = Pool(load(SERVICE).functions["Lab"], log, 1)
        try:
            async with asyncio.timeout(60):
                await work(pool, log)
        finally:
            await pool.close()

    asyncio.run(run())


def test_an_event_skips_a_worker_whose_connection_just_broke(tmp_path: Path) -> None:
    async def work(pool: Pool, log: FunctionLog) -> None:
        gone = Worker(pool.function, pool, log)
        waiting = asyncio.create_task(gone.next())
        await asyncio.sleep(0)
        waiting.cancel()  # as the server of the Runtime API does when the connection breaks
        await asyncio.wait([waiting])

        answer = parse(await pool.invoke(EVENT))

        assert (answer["statusCode"], gone.event_count) == (200, 0)

    with_pool(tmp_path, work)


def test_a_worker_killed_before_its_first_event_does_not_count_as_a_load_failure(tmp_path: Path) -> None:
    async def work(pool: Pool, _: FunctionLog) -> None:
        assert await pool.warm()
        ((worker, ending),) = pool._workers.items()
        worker.kill()
        await asyncio.wait([ending])

        assert parse(await pool.invoke(EVENT)).get("statusCode") == 200

    with_pool(tmp_path, work)

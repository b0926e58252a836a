"""The heartbeat of ``larder up``: every minute, each live model answers some of its golden requests."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

import click

from larder.errors import StoreError
from larder.health.access import key_access, open_access
from larder.health.heartbeat import Finding, beat
from larder.health.public_api import PublicApi
from larder.store import Store

SECONDS: Final = 60
_log = logging.getLogger(__name__)


class LocalHeartbeat:
    """Asks the models of a service on this machine, records what they answer, and reports when one no longer does."""

    def __init__(self, store: Store, url: str, key: str | None, seconds: int = SECONDS) -> None:
        """Ask the service at ``url`` every ``seconds`` seconds, with ``key`` if it wants one."""
        self._store = store
        self._api = PublicApi(url, key_access(key) if key else open_access)
        self._seconds = seconds
        self._failing: set[str] = set()

    async def run(self) -> None:
        """Ask until the task is cancelled. The first time is after one interval: until then, models may be loading."""
        while True:
            await asyncio.sleep(self._seconds)
            try:
                self._report(await asyncio.to_thread(beat, self._store, self._api, self._seconds))
            except StoreError as error:
                _log.warning("the heartbeat could not be recorded: %s", error)

    def _report(self, findings: Sequence[Finding]) -> None:
        """Say which model has stopped to answer, and which one answers again."""
        for finding in findings[1:]:
            model = str(finding.model)
            if not finding.available and model not in self._failing:
                self._failing.add(model)
                click.echo(f"Heartbeat: {model} is not available. {finding.reason}")
            elif finding.available and model in self._failing:
                self._failing.remove(model)
                click.echo(f"Heartbeat: {model} is available again.")

"""Watches the canaries of a local service: promotes or rejects them by its log."""

import asyncio
import logging
from pathlib import Path
from typing import Final

from larder.errors import LarderError
from larder.registry import Registry
from larder.rollout.canary.ending import end
from larder.rollout.canary.log_source import LogSource
from larder.rollout.canary.look import look
from larder.store import Store
from larder_local.gateway.log_files import LogFiles

SECONDS: Final = 10.0
_log = logging.getLogger("larder")


async def watch_canaries(store: Store, logs: Path) -> None:
    """Looks at every canary each ten seconds until it is cancelled."""
    registry, source = Registry(store), LogFiles(logs)
    while True:
        try:
            await asyncio.to_thread(look_at_all, registry, source)
        except LarderError as error:  # of the store, for which the next look tries again
            _log.warning("The canaries could not be looked at: %s", error)
        await asyncio.sleep(SECONDS)


def look_at_all(registry: Registry, source: LogSource) -> None:
    """Looks at every canary once. A model whose canary cannot be looked at does not keep others from it."""
    for model in registry.models():
        try:
            found = look(registry, model, source)
            if found is None or found.verdict == "wait":
                continue
            end(registry, found)
        except LarderError as error:
            _log.warning("The canary of %s could not be looked at: %s", model, error)
            continue
        done = "Promoted" if found.verdict == "promote" else "Rejected"
        _log.info("%s the canary %s of %s. %s", done, found.release, model, found.sentence)

"""Ask every live model some of its golden requests through the public URL, and record what was found."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Final

from larder.errors import FunctionUnavailable, LarderError
from larder.health.heartbeats import Heartbeat, add_heartbeat, format_time
from larder.health.public_api import PublicApi
from larder.registry import Registry
from larder.release.manifest import Manifest
from larder.rollout.golden_requests import GoldenRequests
from larder.runtime.metrics import Measured, metric_line
from larder.store import Store

REQUESTS: Final = 3
"""Golden requests of a model in one heartbeat. The next heartbeat asks the next ones, so that all have their turn."""
_CONNECTIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """What a heartbeat found out about one model, or about the API as a whole.

    Attributes:
        model: The model's name; None for the API.
        release: Its live release; None for the API, or if it cannot be read.
        milliseconds: The time of each answer.
        reason: Why it is not available, as a sentence; None if it is.
    """

    model: str | None
    release: str | None
    milliseconds: tuple[float, ...]
    reason: str | None

    @property
    def available(self) -> bool:
        """Whether every answer was as it should be."""
        return self.reason is None

    def line(self) -> str:
        """The JSON line of the log, which has the metrics ``Available`` and ``HeartbeatLatency``."""
        metrics = {"Available": Measured("None", [int(self.available)])}
        if self.milliseconds:
            metrics["HeartbeatLatency"] = Measured("Milliseconds", [round(value, 1) for value in self.milliseconds])
        level = "INFO" if self.available else "WARNING"
        return metric_line(metrics, self.model, level, release=self.release, reason=self.reason)


def beat(store: Store, api: PublicApi, interval: int, refusal: str | None = None) -> list[Finding]:
    """Ask the API, and each live model; record what each model answered. The first finding is that of the API.

    Args:
        store: The store of the models.
        api: The API at its public URL.
        interval: The seconds from one heartbeat to the next.
        refusal: Why no model can be asked, as a sentence; None if they can be.

    Raises:
        StoreError: the models cannot be listed, or what was found cannot be recorded.
    """
    registry, turn = Registry(store), int(time.time() // interval)

    def ask(model: str) -> Finding | None:
        finding = _ask_model(registry, api, model, turn, refusal)
        if finding is not None and finding.release is not None:
            add_heartbeat(store, model, _recorded(finding, finding.release), interval)
        return finding

    with ThreadPoolExecutor(_CONNECTIONS, "heartbeat") as pool:
        overall = pool.submit(beat_api, api)
        models = [finding for finding in pool.map(ask, registry.models()) if finding is not None]
        return [_with_models(overall.result(), models), *models]


def beat_api(api: PublicApi) -> Finding:
    """Ask the API only whether it is there."""
    try:
        return Finding(None, None, (api.health().milliseconds,), None)
    except FunctionUnavailable as error:
        return Finding(None, None, (), str(error))


def _recorded(finding: Finding, release: str) -> Heartbeat:
    latency = round(median(finding.milliseconds), 1) if finding.milliseconds else None
    return Heartbeat(format_time(time.time()), release, finding.available, latency, finding.reason)


def _with_models(api: Finding, models: Sequence[Finding]) -> Finding:
    """The finding about the API, which is available only if every model is."""
    failed = [finding.model for finding in models if not finding.available]
    if api.reason is None and failed:
        return Finding(None, None, api.milliseconds, f"{', '.join(map(str, failed))}: see the lines of these models.")
    return api


def _ask_model(registry: Registry, api: PublicApi, model: str, turn: int, refusal: str | None) -> Finding | None:
    """The finding about a model; None if no release is live.

    A release that was replaced while it was asked may be gone: then the new one is asked.
    """
    finding: Finding | None = None
    for _ in range(2):
        try:
            version = registry.pointer(model)
        except LarderError as error:
            return Finding(model, None, (), str(error))
        if version is None:
            return None
        release = version.pointer.stable
        if finding is not None and finding.release == release:
            break
        finding = _ask_release(registry, api, model, release, turn) if refusal is None else None
        finding = finding or Finding(model, release, (), refusal)
        if finding.available:
            break
    return finding


def _ask_release(registry: Registry, api: PublicApi, model: str, release: str, turn: int) -> Finding:
    milliseconds: list[float] = []
    reason = None
    try:
        manifest = registry.manifest(model, release)
        golden = GoldenRequests.read(registry.store, manifest)
        for number in _chosen(len(golden), turn):
            reason = reason or _difference(api, manifest, golden, number, milliseconds)
    except LarderError as error:
        reason = str(error)
    return Finding(model, release, tuple(milliseconds), reason)


def _chosen(count: int, turn: int) -> Iterator[int]:
    """The numbers of the golden requests of one heartbeat."""
    first = turn * REQUESTS
    return (number % count for number in range(first, first + min(REQUESTS, count)))


def _difference(
    api: PublicApi, manifest: Manifest, golden: GoldenRequests, number: int, milliseconds: list[float]
) -> str | None:
    answer = api.ask(manifest, golden.request(number))
    milliseconds.append(answer.milliseconds)
    try:
        difference = golden.difference(number, answer.document)
    except (KeyError, TypeError):
        return f"Golden request {number} got an answer of another form: is the URL that of Larder?"
    return None if difference is None else f"Golden request {number} {difference}"

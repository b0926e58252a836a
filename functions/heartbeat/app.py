"""Ask every live model some of its golden requests through the public URL, and write what was found as metrics.

A schedule calls this. One JSON line a model has ``Available`` (1 or 0) and ``HeartbeatLatency`` (milliseconds); the
line without a model is about the API and all models. What was found is recorded for ``GET /v1/models/{model}/ready``.
"""

import time
from typing import Any

from larder.errors import InvalidKeys, Unauthorized
from larder.events.aws.credentials import CredentialSource
from larder.health.access import NO_KEY, Access, key_access, open_access, role_access, stored_key
from larder.health.heartbeat import Finding, beat, beat_api
from larder.health.public_api import PublicApi
from larder.runtime.cold_start import cold_start
from larder.runtime.settings import HeartbeatSettings
from larder.store import Store
from larder.web.bootstrap import Service


def _itself(store: Store, _: HeartbeatSettings) -> Store:
    return store


service = Service(HeartbeatSettings.from_environment, _itself)


def handler(_: object, __: object) -> dict[str, Any]:
    """Lambda's entry point; the event does not matter. Returns what is available.

    Raises StoreError if the models cannot be listed, or what was found cannot be recorded.
    """
    findings = _beat(service.store, service.settings)
    for finding in findings:
        print(finding.line(), flush=True)  # noqa: T201  # it is the log, and the metrics
    overall, *models = findings
    return {"available": overall.available, "models": {str(entry.model): entry.available for entry in models}}


def _beat(store: Store, settings: HeartbeatSettings) -> list[Finding]:
    if settings.authorization == "KEYS" and not settings.heartbeat_key:
        print(NO_KEY, flush=True)  # noqa: T201  # it is the log
        return [beat_api(PublicApi(settings.api_url, open_access))]
    access, refusal = _access(store, settings)
    return beat(store, PublicApi(settings.api_url, access), 60 * settings.heartbeat_minutes, refusal)


def _access(store: Store, settings: HeartbeatSettings) -> tuple[Access, str | None]:
    """How the API lets the heartbeat in; and why it cannot ask models, None if it can."""
    if settings.authorization == "AWS_IAM":
        return role_access(settings.region, CredentialSource()), None
    if settings.authorization == "NONE":
        return open_access, None
    try:
        return key_access(stored_key(store, settings.heartbeat_key, time.time())), None
    except (Unauthorized, InvalidKeys) as error:
        return open_access, str(error)


cold_start.imported()

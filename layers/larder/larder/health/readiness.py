"""Whether a model is live, and whether it is ready: what a load balancer or a deployment asks."""

from collections.abc import Mapping
from dataclasses import asdict

from larder.errors import NotFound, NotReady
from larder.health.heartbeats import read_health
from larder.registry import Registry
from larder.release.pointer import Pointer


def live(registry: Registry, model: str) -> Mapping[str, object]:
    """The live release of ``model``.

    Raises:
        NotFound: the model does not exist.
        NotReady: no release of it is live.
        InvalidManifest: its pointer breaks the format.
    """
    return {"model": model, "status": "live", "release": _pointer(registry, model).stable}


def ready(registry: Registry, model: str, now: float) -> Mapping[str, object]:
    """That the live release can answer: its files are there, and its last heartbeat, if there is one, was answered.

    Args:
        registry: The models.
        model: The model's name.
        now: The time, in seconds since the epoch.

    Raises:
        NotFound: the model does not exist.
        NotReady: no release of it is live, its files are damaged, or it did not answer the last heartbeat.
        InvalidManifest: its pointer or its manifest breaks the format.
        MissingObject: its manifest is missing.
    """
    release = _pointer(registry, model).stable
    manifest = registry.manifest(model, release)
    damage = registry.releases(model)[release].damage(manifest)
    if damage is not None:
        raise NotReady(damage)
    last = read_health(registry.store, model, now).last(release, now)
    if last is not None and not last.available:
        raise NotReady(f"The heartbeat of {last.time} found: {last.reason}")
    return {"model": model, "status": "ready", "release": release, "heartbeat": None if last is None else asdict(last)}


def _pointer(registry: Registry, model: str) -> Pointer:
    version = registry.pointer(model)
    if version is not None:
        return version.pointer
    if not any(files.complete for files in registry.releases(model).values()):
        raise NotFound(f"Model {model!r} does not exist: publish a release, or use a name that GET /v1/models lists.")
    raise NotReady(f"No release of {model} is live: promote one that GET /v1/models/{model}/releases lists.")

"""The model that a request means, of either kind.

API Gateway selects a function by the path, which does not show a model's kind. So the function that has all libraries,
that of classifiers, answers for recommenders too. Their tables are opened at the first request that needs them, so that
its start costs what it did.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from larder.errors import NotFound
from larder.host import ModelHost
from larder.host.release_cache import LoadedRelease
from larder.registry import Registry
from larder.release.keys import check_model, check_release
from larder.release.manifest import Kind
from larder.store import Store
from larder.web.model_service import ModelService
from larder.web.request import Request

if TYPE_CHECKING:
    from larder.classifier.graph import Classifier
    from larder.recommender import Recommender

ACTIONS: Final[Mapping[Kind, str]] = {"classifier": "classify", "recommender": "recommend"}
READ: Final = "models:read"
Loaded: TypeAlias = "LoadedRelease[Classifier] | LoadedRelease[Recommender]"


class Models:
    """Both kinds of models of one store. Thread-safe.

    Attributes:
        store: The store.
        registry: Its models.
    """

    def __init__(self, service: "ModelService[Classifier]") -> None:
        """Make it of the service that has the classifiers."""
        from larder.recommender import Recommender

        settings = service.settings
        self.store: Final[Store] = service.store
        self.registry: Final = Registry(self.store)
        self._service = service
        self._recommenders: ModelHost[Recommender] = ModelHost(
            self.store,
            "recommender",
            Recommender.open,
            cache_dir=settings.cache_dir,  # the same folder and limit as those of classifiers
            max_bytes=settings.cache_bytes,
            refresh_seconds=settings.refresh_seconds,
        )
        self._kinds: dict[str, Kind] = {}

    def find(self, request: Request, name: str, release: str | None, *, reads: bool, key: str | None = None) -> Loaded:
        """The release that answers a request.

        Args:
            request: The request.
            name: The model's name, or an alias of it.
            release: The release's name, or None for the live one.
            reads: Whether a key that may only read models suffices.
            key: The caller's key for canary or stable, if the request has none.

        Raises:
            Forbidden: the caller may use no model of this name, of either kind.
            NotFound: there is no such model or release, or the caller may not use models of its kind.
            LarderError: as ``ModelHost.get``.
        """
        model = self._service.model_of(name)
        if not any(allowed(request, model, kind, reads=reads) for kind in ACTIONS):
            request.caller.check(ACTIONS["classifier"], model)
        named, key = release or request.release, request.caller_key or key
        if named is not None:
            check_release(named)  # before the kind is looked up: it is the same error for a model that is hidden
        kind = self._kind(model, release)
        if kind is not None and not allowed(request, model, kind, reads=reads):
            raise _unknown(model, release)
        try:
            if kind == "recommender":
                return self._recommenders.get(model, release=named, key=key)
            return self._service.host.get(model, release=named, key=key)
        except NotFound as error:
            self._kinds.pop(model, None)  # the model may be gone, and come back as one of the other kind
            raise (_unknown(model, release) if kind is None else error) from error

    def _kind(self, model: str, release: str | None) -> Kind | None:
        """The kind of a model; None if it does not exist or is not live, which its host reports."""
        check_model(model)
        if model not in self._kinds:
            named = release
            if named is None:
                version = self.registry.pointer(model)
                named = None if version is None else version.pointer.stable
            if named is None or not self.registry.has_release(model, named):
                return None
            self._kinds[model] = self.registry.manifest(model, named).kind
        return self._kinds[model]


def allowed(request: Request, model: str, kind: Kind, *, reads: bool) -> bool:
    """Whether the caller may use a model of this kind, or read about it if ``reads``."""
    return request.caller.may(ACTIONS[kind], model) or (reads and request.caller.may(READ, model))


def _unknown(model: str, release: str | None) -> NotFound:
    """The error for a model or release that does not exist, and for one that is hidden from the caller."""
    what = f"Model {model!r} does not exist" if release is None else f"Model {model!r} has no release {release!r}"
    return NotFound(f"{what}: POST /v2/repository/index lists the models.")


_models: Models | None = None


def models_of(service: "ModelService[Classifier]") -> Models:
    """The models of the service's store, kept for the life of the process."""
    global _models  # noqa: PLW0603  # made at the first request that needs it, as long as the store is the same
    if _models is None or _models.store is not service.store:
        _models = Models(service)
    return _models

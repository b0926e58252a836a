"""The service of a function that answers from models: a store, a model host, and preloading."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from larder.errors import InvalidRequest, LarderError, NotFound
from larder.host import ModelHost, ReleaseFiles, in_background, preload, renew_after_restore
from larder.host.release_cache import LoadedRelease, T
from larder.release.manifest import Kind
from larder.runtime.settings import Settings
from larder.store import Store
from larder.web.bootstrap import Service
from larder.web.callers import Callers

if TYPE_CHECKING:  # a function preloads its model before it imports what reads requests
    from larder.events.live_reader import LiveAnswer, LiveReader
    from larder.recommender import Query, Recommender
    from larder.registry.aliases import Aliases
    from larder.registry.stored_filters import FilterCache
    from larder.web.request import Request

_LISTED_SECONDS: Final = 30.0


class ModelService(Service[Settings, ModelHost[T]]):
    """The models of one kind in the store that the environment names. Thread-safe.

    Attributes:
        callers: Who may call the function.
    """

    def __init__(self, kind: Kind, open_release: Callable[[ReleaseFiles, Settings], T]) -> None:
        """Define the service.

        Args:
            kind: The kind of models.
            open_release: Loads a release.
        """

        def build(store: Store, settings: Settings) -> ModelHost[T]:
            return ModelHost(
                store,
                kind,
                lambda files: open_release(files, settings),
                cache_dir=settings.cache_dir,
                max_bytes=settings.cache_bytes,
                refresh_seconds=settings.refresh_seconds,
            )

        super().__init__(Settings.from_environment, build)
        self.callers: Final = Callers(self)
        self._kind: Final = kind
        self._aliases: Aliases | None = None
        self._filters: FilterCache | None = None
        self._live: LiveReader | None = None
        self._of_kind: tuple[str, ...] = ()
        self._listed_until = -1.0

    @property
    def host(self) -> ModelHost[T]:
        """The host of the models; raises SettingsError or StoreError."""
        return self.value

    def loaded(
        self, request: "Request", model: str, *, release: str | None = None, key: str | None = None
    ) -> LoadedRelease[T]:
        """The release that answers a request, if its caller may use the model.

        Args:
            request: The request, which may name a release, and a key that keeps the caller on canary or stable.
            model: The model's name.
            release: A release that the request names in its own way.
            key: The caller's key if the request has none.

        Raises:
            Forbidden: the caller may not use the model, whether it exists or not.
            LarderError: as ``ModelHost.get``.
        """
        request.authorize(model)
        named, key = release or request.release, request.caller_key or key
        loaded = self.host.get(model, release=named, key=key)
        arm = None if named else self.host.arm(model, key)
        request.note_served(model, loaded.manifest.release, arm)
        if arm is not None:
            _log_begun(request)
        return loaded

    def model_of(self, name: str, part: str | None = None) -> str:
        """The model that a client of another service means by ``name``: its alias, or its last part ``part``."""
        if self._aliases is None:
            from larder.registry.aliases import Aliases  # for protocols with names of their own only

            self._aliases = Aliases(self.store, self.settings.refresh_seconds)
        return self._aliases.model(name, part)

    def reset(self) -> None:
        """Forget the store and what was read from it. For tests."""
        super().reset()
        self._aliases = self._filters = self._live = None

    def live_answer(
        self, request: "Request", query: "Query", release: "LoadedRelease[Recommender]", *, explores: bool = False
    ) -> "LiveAnswer | None":
        """Read what is known live for an answer of a recommender; None if its model takes no events.

        Also None for a request that names a release, which asks for what that release answers at any time, as the
        rollout's golden requests do. An answer that ``explores`` has new items if the model's settings say so.
        """
        if not self.settings.events_store or request.release is not None:
            return None
        return self._live_reader().begin(query, release, explores=explores)

    def trending(self, model: str) -> Sequence[tuple[str, float]]:
        """The items of ``model`` whose events grow fastest, with their significance, the largest first.

        Raises NotFound if the model or the deployment takes no events, StoreError if they cannot be read.
        """
        if not self.settings.events_store:
            raise NotFound("This service takes no events, so nothing is trending: set Events of the stack to true.")
        return self._live_reader().trending(model)

    def _preload_live(self) -> None:
        with suppress(LarderError):  # of the environment or the store: the first request reports it
            self._live_reader().preload()

    def _live_reader(self) -> "LiveReader":
        if self._live is None:
            from larder.events.live_reader import LiveReader  # for deployments that take events only

            self._live = LiveReader.of(self.store, self.settings)
        return self._live

    def filter_expression(self, model: str, name: str) -> str:
        """The text of a stored filter of ``model``; raises NotFound, or StoreError if the filters cannot be read."""
        if self._filters is None:
            from larder.registry.stored_filters import FilterCache  # for requests that name one only

            self._filters = FilterCache(self.store, self.settings.refresh_seconds)
        return self._filters.get(model, name).expression

    def default_model(self, request: "Request") -> str:
        """The model for a request of a protocol that names none.

        It is the key's default model, else the deployment's, else the only one of this kind that the caller may use.
        Raises InvalidRequest if that leaves a choice, and Forbidden for a caller who may use no model at all.
        """
        request.authorize()
        named = request.caller.default_model or self.settings.default_classifier
        if named:
            return named
        models = [name for name in self._models() if request.caller.may(request.action, name)]
        if len(models) == 1:
            return models[0]
        raise InvalidRequest(
            f"This request names no model, and {len(models)} models could answer: set the key's default model "
            "(larder keys add --default-model), or LARDER_DEFAULT_CLASSIFIER of the deployment."
        )

    def _models(self) -> tuple[str, ...]:
        """The live models of this kind."""
        if time.monotonic() >= self._listed_until:
            from larder.registry.documents import documents_of  # for requests that name no model only

            entries: Sequence[Mapping[str, object]] = documents_of(self.store).models()["models"]  # type: ignore[assignment]  # of objects
            of_kind = (entry for entry in entries if entry["live"] and entry["kind"] == self._kind)
            self._of_kind = tuple(str(entry["model"]) for entry in of_kind)
            self._listed_until = time.monotonic() + _LISTED_SECONDS
        return self._of_kind

    @contextmanager
    def preloading(self) -> Iterator[None]:
        """Load models and keys in the background while the block imports the libraries that they need.

        The block's end waits for them. Under SnapStart, they are renewed after each restore.
        """
        waits = [preload(os.environ, lambda: self.host), in_background(os.environ, self.callers.preload)]
        if self._kind == "recommender" and os.environ.get("LARDER_EVENTS_STORE"):
            waits.append(in_background(os.environ, self._preload_live))
        renew_after_restore(os.environ, lambda: self.host)
        renew_after_restore(os.environ, lambda: self.callers)
        yield
        for wait in waits:
            wait()


def _log_begun(request: "Request") -> None:
    """Write a line before the answer: a request that crashes its process, or takes too long, writes no other one."""
    from larder.web.responses import write_log  # while a canary answers only

    served = request.served
    assert served is not None, "noted just before"  # noqa: S101  # for the type checker
    write_log(
        {
            "level": "INFO",
            "begun": True,
            "model": served.model,
            "release": served.release,
            "arm": served.arm,
            "request": request.id,
            "time": int(1000 * time.time()),
        }
    )

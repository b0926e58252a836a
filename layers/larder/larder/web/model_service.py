"""The service of a function that answers from models: a store, a model host, and preloading."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from larder.host import ModelHost, ReleaseFiles, preload, renew_after_restore
from larder.host.release_cache import T
from larder.release.manifest import Kind
from larder.runtime.settings import Settings
from larder.store import Store
from larder.web.bootstrap import Service


class ModelService(Service[Settings, ModelHost[T]]):
    """The models of one kind in the store that the environment names. Thread-safe."""

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

    @property
    def host(self) -> ModelHost[T]:
        """The host of the models; raises SettingsError or StoreError."""
        return self.value

    @contextmanager
    def preloading(self) -> Iterator[None]:
        """Load models in the background while the block imports the libraries that they need.

        The block's end waits for the models. Under SnapStart, the host is renewed after each restore.
        """
        wait = preload(os.environ, lambda: self.host)
        renew_after_restore(os.environ, lambda: self.host)
        yield
        wait()

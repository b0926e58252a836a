"""What a function answers with: built from the environment at the first use, and kept for all requests.

This module loads neither Powertools nor a model's libraries, so that a function can start to preload its model before
it imports those.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

from larder.runtime.cold_start import cold_start
from larder.runtime.settings import EventLogSettings, HeartbeatSettings, RolloutSettings, Settings, TrainingSettings
from larder.store import Store, open_store

S = TypeVar("S", bound=Settings | RolloutSettings | EventLogSettings | HeartbeatSettings | TrainingSettings)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Parts(Generic[S, T]):
    settings: S
    store: Store
    value: T


class Service(Generic[S, T]):
    """The store that the environment names, and the object that answers from it. Thread-safe.

    Nothing is read from the environment before the first use, and a failure is not kept: the next request tries again.
    """

    def __init__(self, read_settings: Callable[[Mapping[str, str]], S], build: Callable[[Store, S], T]) -> None:
        """Define a service.

        Args:
            read_settings: Reads the settings from the environment; raises SettingsError.
            build: Makes the object that answers.
        """
        self._read_settings = read_settings
        self._build = build
        self._parts: _Parts[S, T] | None = None
        self._lock = Lock()  # the thread that preloads and the first request use the same store

    def open(self) -> None:
        """Open the store now; raises SettingsError or StoreError."""
        self._open()

    @property
    def store(self) -> Store:
        """The store, opened if necessary; raises SettingsError or StoreError."""
        return self._open().store

    @property
    def value(self) -> T:
        """What ``build`` made, made now if necessary; raises SettingsError or StoreError."""
        return self._open().value

    @property
    def settings(self) -> S:
        """The settings, read if necessary; raises SettingsError or StoreError."""
        return self._open().settings

    @property
    def is_open(self) -> bool:
        """Whether the environment was read and the store opened. For tests."""
        return self._parts is not None

    def reset(self) -> None:
        """Forget the store and the object, so that the next use reads the environment again. For tests."""
        with self._lock:
            self._parts = None

    def _open(self) -> _Parts[S, T]:
        if self._parts is None:
            with self._lock:
                if self._parts is None:
                    with cold_start.measured("store"):
                        settings = self._read_settings(os.environ)
                        store = open_store(settings.store)
                    self._parts = _Parts(settings, store, self._build(store, settings))
        return self._parts

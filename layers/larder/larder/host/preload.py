"""Load models while the function is still being imported.

A cold start waits for imports, which use the processor, and for the store, which does not. Doing both at the same time
hides most of the wait for the store.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from threading import Thread
from typing import Final, Protocol

from larder.errors import LarderError, RequestError
from larder.runtime.settings import Settings

SECONDS: Final = 5.0  # Lambda allows 10 s to load a function

_log = logging.getLogger(__name__)


class Host(Protocol):
    """The part of ``ModelHost`` that is needed here."""

    def get(self, model: str, /) -> object:
        """Load the model's live release."""

    def models(self) -> list[str]:
        """The names of all models in the store."""


def preload(environment: Mapping[str, str], host: Callable[[], Host]) -> Callable[[], None]:
    """Start to load models in a thread; returns a function that waits for it, at most ``SECONDS``.

    Loads the models in ``LARDER_PRELOAD`` that are of the host's kind; if it is empty, the store's only model, if there
    is only one. Does nothing outside the Lambda runtime. Never raises: the request that needs the model reports errors.
    """
    return in_background(environment, lambda: _load(environment, host))


def in_background(environment: Mapping[str, str], work: Callable[[], None]) -> Callable[[], None]:
    """Do ``work``, which never raises, in a thread; returns a function that waits for it, at most ``SECONDS``.

    Does nothing outside the Lambda runtime.
    """
    if "AWS_LAMBDA_RUNTIME_API" not in environment:
        return lambda: None
    thread = Thread(target=work, name="preload", daemon=True)
    thread.start()
    return lambda: thread.join(SECONDS)


def _load(environment: Mapping[str, str], host: Callable[[], Host]) -> None:
    try:
        models = host()
        for name in Settings.from_environment(environment).preload or _only(models.models()):
            _try(models, name)
    except LarderError as error:
        _log.warning("no model is preloaded: %s", error)


def _only(models: Sequence[str]) -> Sequence[str]:
    return models if len(models) == 1 else ()


def _try(host: Host, name: str) -> None:
    try:
        host.get(name)
    except RequestError:  # of the other kind, which another function serves, or not published yet
        return
    except Exception:  # noqa: BLE001  # ONNX Runtime has its own errors; the function starts in any case
        _log.warning("%s is not preloaded", name, exc_info=True)

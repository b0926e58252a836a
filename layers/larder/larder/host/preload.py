"""Opening a model while its function is still being imported.

A cold start waits twice: for imports, which keep the processor busy, and for the store, which does not. Done side by
side, the store's part is nearly free.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from threading import Thread
from typing import Final, Protocol

from larder.errors import LarderError, RequestError
from larder.runtime.settings import Settings

SECONDS: Final = 5.0  # Lambda allows 10 for loading a function

_log = logging.getLogger(__name__)


class Host(Protocol):
    """What is needed of a ``ModelHost``, whatever its models are opened as."""

    def get(self, model: str, /) -> object:
        """Opens the model's live release."""

    def models(self) -> list[str]:
        """The names of all models in the store."""


def preload(environment: Mapping[str, str], host: Callable[[], Host]) -> Callable[[], None]:
    """Begins to open models in a thread; returns what waits for it, at most ``SECONDS``.

    Opens those that ``LARDER_PRELOAD`` names, separated by commas, as far as they are of the host's kind; where it
    names none, the store's only model, if there is just one. Does nothing outside the Lambda runtime. Never raises:
    what is wrong is told to the request that needs it.
    """
    if "AWS_LAMBDA_RUNTIME_API" not in environment:
        return lambda: None
    thread = Thread(target=_open, args=(environment, host), name="preload", daemon=True)
    thread.start()
    return lambda: thread.join(SECONDS)


def _open(environment: Mapping[str, str], host: Callable[[], Host]) -> None:
    try:
        opened = host()
        for name in Settings.from_environment(environment).preload or _only(opened.models()):
            _try(opened, name)
    except LarderError as error:
        _log.warning("nothing is preloaded: %s", error)


def _only(models: Sequence[str]) -> Sequence[str]:
    return models if len(models) == 1 else ()


def _try(host: Host, name: str) -> None:
    try:
        host.get(name)
    except RequestError:  # of another kind, which is another function's, or not there yet
        return
    except Exception:  # noqa: BLE001  # ONNX Runtime raises its own: whatever it is, the function starts
        _log.warning("%s is not preloaded", name, exc_info=True)

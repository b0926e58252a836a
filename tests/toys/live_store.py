"""A store with live releases, and the environment of a function that serves them."""

from pathlib import Path

import pytest

from larder.release.keys import file_key, pointer_key
from larder.release.pointer import Pointer, dump_pointer
from larder.store import Store, open_store


def publish(store: Store, model: str, folder: Path, revision: int = 1) -> None:
    """Makes the release in ``folder`` live, without a rollout."""
    for path in folder.iterdir():
        store.put(file_key(model, folder.name, path.name), path.read_bytes())
    store.put(pointer_key(model), dump_pointer(Pointer(stable=folder.name, revision=revision)))


def open_served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store in ``folder`` that a function with this environment serves, reading all again for each request."""
    url = f"file://{folder}/store"
    for name, value in {
        "LARDER_STORE": url,
        "LARDER_CACHE_DIR": str(folder / "cache"),
        "LARDER_CACHE_BYTES": "100000000",
        "LARDER_REFRESH_SECONDS": "0",
        "LARDER_MAX_PIXELS": "1000000",
        "LARDER_AUTHORIZATION": "NONE",
    }.items():
        monkeypatch.setenv(name, value)
    return open_store(url)

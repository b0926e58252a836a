"""What a deployment has of one user: export it, remove it, and say what is left of it.

The live store is free of the user at once, the log after its next compaction, and a recommender once it was trained
again and its older releases are removed.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

from larder.errors import NotFound
from larder.events.base import LiveStore
from larder.events.log.deletions import Deletion, read_deletions, request_deletion
from larder.events.log.parts import logged_models
from larder.registry import Registry
from larder.registry.documents import documents_of
from larder.store import Store

Document = Mapping[str, object]
_DAY: Final = 86400.0
_NAMED: Final = "%Y%m%dt%H%M%Sz"  # how the name of a release states when it was written


class Privacy:
    """The data of users, of all models of a store. Thread-safe."""

    def __init__(self, store: Store, live: LiveStore) -> None:
        """Read nothing yet."""
        self._store: Final = store
        self._live: Final = live
        self._documents: Final = documents_of(store)

    def models(self) -> list[str]:
        """The models that may have data of users, sorted: all recommenders, and all that have a log."""
        # A model whose kind cannot be read may be a recommender.
        recommenders = [model for model, kind in self._documents.kinds().items() if kind != "classifier"]
        return sorted({*recommenders, *logged_models(self._store)})

    def export(self, user: str, models: Sequence[str]) -> Document:
        """What the live store has of a user, for each model that has anything; times are epoch seconds."""
        exports = [(model, self._live.export_user(model, user)) for model in models]
        return {
            "user": user,
            "models": [
                {
                    "model": model,
                    "events": [asdict(event) for event in export.events],
                    "profile": dict(export.profile),
                    "sessions": list(export.sessions),
                }
                for model, export in exports
                if export.events or export.profile or export.sessions
            ],
        }

    def remove(self, user: str, models: Sequence[str]) -> Document:
        """Free the live store of a user, and ask for the same of the log; returns the receipt.

        If it fails, what was removed stays removed, and the request must be sent again. Raises StoreError.
        """
        asked = time.time()
        for model in models:
            self._live.delete_user(model, user)
        return self.document(request_deletion(self._store, user, models, live=time.time(), now=asked))

    def deletion(self, receipt: str) -> Deletion:
        """The deletion with a receipt; raises NotFound."""
        found = read_deletions(self._store).with_receipt(receipt)
        if found is None:
            raise NotFound(f"There is no receipt {receipt[:80]!r}: send one that DELETE /v1/users/{{user}} returned.")
        return found

    def document(self, deletion: Deletion) -> Document:
        """A receipt as JSON: what is done, what follows when, and which releases may still have the user."""
        releases = [entry for model in deletion.models for entry in self._older_releases(model, deletion.log)]
        return {
            "receipt": deletion.receipt,
            "models": list(deletion.models),
            "requested": _iso(deletion.asked),
            "live": None if deletion.live is None else _iso(deletion.live),
            "log": None if deletion.log is None else _iso(deletion.log),
            "log_due": _iso(deletion.asked + _DAY),
            "releases": releases,
            "done": deletion.log is not None and not releases,
        }

    def _older_releases(self, model: str, free: float | None) -> list[Document]:
        """The releases that were written before the log was free of the user: these may have them."""
        registry = Registry(self._store)
        names = [name for name in sorted(registry.releases(model)) if free is None or _written(name) <= free]
        pointer = registry.pointer(model) if names else None
        return [
            {"model": model, "release": name, "state": (pointer and pointer.pointer.role(name)) or "stored"}
            for name in names
        ]


def _written(release: str) -> float:
    """When a release was written, in epoch seconds, by its name; 0 if that does not say it."""
    try:
        return datetime.strptime(release.partition("-")[0], _NAMED).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def _iso(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"

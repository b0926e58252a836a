"""What the commands of this folder share: the canary of a model, and the log that says how it does."""

from typing import TYPE_CHECKING

from larder.errors import InvalidRequest
from larder_local.commands.registry.options import listed_model, open_existing
from larder_local.workspace import Workspace

if TYPE_CHECKING:  # obstore is slow to import: --help does without it
    from larder.release.pointer import Pointer
    from larder.rollout.canary.log_source import LogSource
    from larder.store import Store


def canary_of(model: str, store: str | None) -> "tuple[Store, Pointer, str]":
    """The store, the pointer of the model, and its canary; raises InvalidRequest without one."""
    from larder.registry import Registry

    workspace = Workspace.current()
    opened = open_existing(workspace, store)
    listed_model(workspace, opened, model)
    version = Registry(opened).pointer(model) if opened is not None else None
    if opened is None or version is None or version.pointer.canary is None:
        raise InvalidRequest(f"{model} has no canary: start one with larder publish RELEASE --canary 5")
    return opened, version.pointer, version.pointer.canary


def log_of(store: "Store") -> "LogSource":
    """The logs of this folder's `larder up` if it serves from this store; otherwise none: another service reads its."""
    from larder.rollout.canary.log_source import NoLog
    from larder.store import open_store
    from larder_local.gateway.log_files import LogFiles

    workspace = Workspace.current()
    return LogFiles(workspace.logs) if store.url == open_store(workspace.store).url else NoLog()

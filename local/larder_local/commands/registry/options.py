"""What the commands of this folder share: ``--store``, and the store and the model that they work on."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from larder.errors import InvalidRequest
from larder.release.keys import check_model
from larder_local.console import suggestion
from larder_local.workspace import Workspace

if TYPE_CHECKING:  # obstore is slow to import: --help does without it
    from larder.store import Store
    from larder_local.releases.listing import ListedModel

F = TypeVar("F", bound=Callable[..., Any])


def store_option(command: F) -> F:
    """Decorator that adds ``--store``."""
    return click.option(
        "--store",
        envvar="LARDER_STORE",
        show_envvar=True,
        help="Store to use, as s3://bucket[/prefix] or file:///folder [default: the store of `larder up`].",
    )(command)


def digests_option(command: F) -> F:
    """Decorator that adds ``--digests``."""
    return click.option(
        "--digests",
        is_flag=True,
        help="Compare the SHA-256 of every file with its manifest [default: those of live releases in a folder].",
    )(command)


def open_existing(workspace: Workspace, store: str | None) -> "Store | None":
    """The store; None if it is the default one and does not exist yet."""
    from larder.store import open_store
    from larder_local.releases.named import existing_store

    return open_store(store) if store else existing_store(workspace.store)


def listed_model(workspace: Workspace, store: "Store | None", model: str, *, digests: bool = False) -> "ListedModel":
    """The releases of ``model``; raises InvalidRequest, with the nearest names, if it has none."""
    from larder_local.releases.listing import list_releases
    from larder_local.releases.named import model_names

    listed = list_releases(workspace, store, check_model(model), digests=digests)
    if listed.releases or listed.problem:
        return listed
    known = model_names(workspace, store)
    hint = suggestion(model, known) or (f" Models are {', '.join(sorted(known))}." if known else " There is no model.")
    raise InvalidRequest(f"There is no model {model!r}.{hint}")


def check_known(listed: "ListedModel", release: str) -> None:
    """Raise InvalidRequest, with the nearest names, unless the model has this release."""
    names = [entry.release for entry in listed.releases]
    if release not in names:
        hint = suggestion(release, names) or f" Its releases are {', '.join(names)}."
        raise InvalidRequest(f"{listed.model} has no release {release!r}.{hint}")

"""What the commands of this folder share: the canary of a model, and what the log says of it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from larder.errors import InvalidRequest
from larder_local.commands.registry.options import listed_model, open_existing
from larder_local.workspace import Workspace

if TYPE_CHECKING:  # obstore is slow to import: --help does without it
    from larder.release.pointer import Pointer
    from larder.rollout.canary.watch import MetricComparison
    from larder.store import Store

F = TypeVar("F", bound=Callable[..., Any])


def log_option(command: F) -> F:
    """Decorator that adds ``--log``."""
    return click.option(
        "--log",
        "logs",
        type=click.File("r", errors="replace"),
        multiple=True,
        metavar="FILE",
        help="Log of the function that answers, or - for standard input; may be given several times "
        "[default: the logs of this folder's `larder up`].",
    )(command)


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


def compared(
    model: str, canary: str, stable: str, logs: Sequence[IO[str]]
) -> "tuple[tuple[int, int], tuple[MetricComparison, ...]]":
    """The number of requests of both arms in the log, and their comparison."""
    from larder.rollout.canary.watch import compare_arms, read_log

    arms = read_log(_lines(logs), model, canary, stable)
    return (arms[0].errors.count, arms[1].errors.count), compare_arms(*arms)


def _lines(logs: Sequence[IO[str]]) -> Iterator[str]:
    for log in logs:
        yield from log
    if not logs:
        folder = Workspace.current().logs
        for path in (path for pattern in ("*.log.1", "*.log") for path in sorted(folder.glob(pattern))):
            yield from _lines_of(path)


def _lines_of(path: Path) -> Iterator[str]:
    with path.open(errors="replace") as file:
        yield from file

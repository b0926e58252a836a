"""The checks of a rollout: each passes, or says why the release must not be served."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from larder.errors import DamagedRelease, FunctionUnavailable, InvalidManifest, LarderError, ReleaseError, StoreError
from larder.registry import Registry, Rejection
from larder.registry.gate import check_gate
from larder.registry.policy import read_policy
from larder.release.manifest import Manifest
from larder.release.pointer import Pointer
from larder.rollout.run import Run
from larder.rollout.verify import verify

SendProbes: TypeAlias = Callable[[Manifest], None]

_log = logging.getLogger(__name__)


class FailedCheck(Exception):  # the verdict on a release, not an error of the rollout
    """A check failed.

    Attributes:
        rejection: Why the release must not be served.
    """

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.reason)
        self.rejection = rejection


class Checks:
    """The checks of the releases in one store."""

    def __init__(self, registry: Registry, probe: SendProbes | None) -> None:
        """Check releases of ``registry``; ``probe`` sends the golden requests, None if no run needs that."""
        self._registry = registry
        self._probe = probe

    def make(self, name: str, run: Run) -> str | None:
        """Make the check ``verify``, ``gate`` or ``probe``; returns what it found, as a sentence, or None.

        Raises:
            FailedCheck: the release must not be served.
            StoreError: the store failed, or the release was removed.
            FunctionUnavailable: the serving function could not be called; try again.
        """
        with _failures_as_verdicts():
            match name:
                case "verify":
                    self._verify(run)
                case "gate":
                    return self._compare(run)
                case _:
                    self._send_probes(run)
        return None

    def _verify(self, run: Run) -> None:
        manifest = verify(self._registry.store, run.model, run.release)
        live = self._live_manifest(run.model, run.state.pointer)
        if live is not None and live.kind != manifest.kind:
            raise ReleaseError(
                f"Model {run.model} is a {live.kind} and this release is a {manifest.kind}: give it another name."
            )

    def _compare(self, run: Run) -> str:
        live = self._live_manifest(run.model, run.state.pointer)
        if live is None:
            return "The live release cannot be read, so it does not restrict this one."
        policy, _ = read_policy(self._registry.store, run.model)
        return check_gate(self._registry.manifest(run.model, run.release), live, policy).how

    def _send_probes(self, run: Run) -> None:
        assert self._probe is not None  # noqa: S101  # for the type checker: only a run that probes has this check
        manifest = self._registry.manifest(run.model, run.release)
        if run.state.rejected is not None:  # functions do not serve a rejected release to the probe
            self._registry.clear_rejection(run.model, run.release)
        self._probe(manifest)

    def _live_manifest(self, model: str, pointer: Pointer | None) -> Manifest | None:
        """The manifest of the live release; None if none is live or it cannot be read."""
        return None if pointer is None else self._registry.readable_manifest(model, pointer.stable)


@contextmanager
def _failures_as_verdicts() -> Iterator[None]:
    try:
        yield
    except (StoreError, FunctionUnavailable):
        raise
    except LarderError as error:
        damaged = isinstance(error, DamagedRelease | InvalidManifest)
        raise FailedCheck(Rejection(str(error), damaged)) from error
    except Exception as error:
        # A hostile file can break any check, and must not be served then. The reason is public, so the details stay in
        # the log.
        _log.exception("a check of a release failed")
        reason = f"A check failed ({type(error).__name__}): see the log, then train and publish a new release."
        raise FailedCheck(Rejection(reason)) from error

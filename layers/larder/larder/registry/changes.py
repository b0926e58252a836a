"""Changes of a model by a person: promote, roll back, reject, delete. Each is safe to repeat.

The pointer changes by compare-and-swap only, so of two changes at once one wins, and the other sees its result.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from larder.errors import InvalidState, MissingObject, NotFound, ReleaseError
from larder.registry.canaries import reject_canary
from larder.registry.gate import check_gate
from larder.registry.policy import read_policy
from larder.registry.registry import Registry, Rejection, StoredFiles
from larder.registry.rollout_records import RolloutStatus, read_record, write_record
from larder.release.pointer import Pointer

_LONGEST_ROLLOUT: Final = timedelta(hours=1)  # four steps, and a Lambda function runs for 15 minutes at most


def _always_change(_: Pointer) -> bool:
    return False


def point_at(
    registry: Registry,
    model: str,
    release: str,
    keep: Callable[[Pointer], bool] = _always_change,
    *,
    by: str | None = None,
) -> Pointer:
    """Make ``release`` the stable release by compare-and-swap, and return the pointer.

    The stable release becomes ``previous``; a canary ends. Nothing is written if the release is stable already, or if
    ``keep`` says so of the pointer as it is. ``by`` names who changes it, for the history.

    Raises Conflict if the pointer keeps changing.
    """

    def change(old: Pointer | None) -> Pointer:
        if old is None:
            return Pointer(release)
        return old if old.stable == release or keep(old) else Pointer(release, previous=old.stable)

    pointer = registry.change_pointer(model, change, by=by)
    assert pointer is not None  # noqa: S101  # for the type checker: the change makes one
    return pointer


def promote(
    registry: Registry,
    model: str,
    release: str,
    *,
    force: bool = False,
    revision: int | None = None,
    by: str | None = None,
) -> Pointer:
    """Make a release live that a rollout has checked, such as the canary.

    Args:
        registry: The registry.
        model: The model.
        release: The release.
        force: Whether to promote it even if it is worse than the live one, or was rejected for that.
        revision: The pointer's revision that the caller has seen; None to change whatever pointer there is.
        by: Who asks for it, for the history.

    Raises:
        NotFound: There is no such release.
        InvalidState: The pointer has another revision, the release is damaged, no rollout has checked it, or it is
            worse than the live one or rejected and ``force`` is not set.
    """
    _complete_files(registry, model, release)
    old = _pointer(registry, model, revision)
    if old is not None and old.stable == release:
        return old
    _check_promotable(registry, model, release, old, force=force)
    if not force and old is not None and release != old.canary:  # that one passed it, or a person wanted it anyway
        _pass_gate(registry, model, release, old)
    registry.clear_rejection(model, release)  # functions do not serve a rejected release
    pointer = point_at(registry, model, release, _unless_revised(model, revision), by=by)
    _end_record(registry, model, release, "promoted", None)
    return pointer


def roll_back(registry: Registry, model: str, *, revision: int | None = None, by: str | None = None) -> Pointer:
    """Make the previous release live again; the one that was live becomes the previous one.

    Give ``revision`` to make a repeated request safe: without it, a second one goes forward again.

    Raises NotFound if the model has no live release, and InvalidState if the pointer has another revision, if there is
    no previous release, or if that one is rejected or damaged.
    """
    old = _pointer(registry, model, revision)
    if old is None:
        raise NotFound(f"Model {model!r} has no live release: publish one.")
    if old.previous is None:
        raise InvalidState(f"{model} has no previous release: promote one of its releases by name.")
    try:
        _complete_files(registry, model, old.previous)
    except NotFound as error:
        raise InvalidState(f"The previous release {old.previous} was removed: promote another one by name.") from error
    rejection = registry.rejection(model, old.previous)
    if rejection is not None:
        raise InvalidState(
            f"The previous release {old.previous} is rejected ({rejection.reason}): promote another one by name."
        )
    return point_at(registry, model, old.previous, _unless_revised(model, old.revision), by=by)


def reject(registry: Registry, model: str, release: str, reason: str, *, by: str | None = None) -> Rejection:
    """Mark a release so that it does not go live, with a reason. If it is the canary, it answers no caller any more.

    Raises NotFound if there is none, and InvalidState if it is the live release.
    """
    _complete_files(registry, model, release)
    old = _pointer(registry, model, None)
    if old is not None and release == old.stable:
        raise InvalidState(f"{release} answers for {model}: roll back, or promote another release, then reject it.")
    rejection = Rejection(reason)
    if old is not None and release == old.canary:
        reject_canary(registry, model, release, rejection, by=by)
    else:
        registry.reject(model, release, rejection)
    _end_record(registry, model, release, "rejected", reason)
    return rejection


def delete_release(registry: Registry, model: str, release: str) -> StoredFiles:
    """Remove the files of a release, and return what was removed. The manifest goes first: it is the commit.

    Raises NotFound if there is none, and InvalidState if the pointer names it or its rollout runs.
    """
    files = registry.releases(model).get(release)
    if files is None:
        raise NotFound(f"{model!r} has no release {release!r}: use a name that GET /v1/models/{model}/releases lists.")
    old = _pointer(registry, model, None)
    role = None if old is None else old.role(release)
    if role is not None:
        raise InvalidState(f"{release} is the {role} release of {model} and stays: promote another release first.")
    if _is_rolling_out(registry, model, release):
        raise InvalidState(f"The rollout of {release} is running: wait until it ends, at most an hour.")
    registry.delete_files(model, release, files)
    return files


def delete_old_releases(registry: Registry, model: str, keep: int) -> list[str]:
    """Remove the releases beyond the newest ``keep``, and return their names, newest first.

    Those that the pointer names, as live, previous or canary, stay, and those whose rollout runs, and incomplete ones.
    """
    stored = registry.releases(model)
    pointer = _pointer(registry, model, None)
    old = sorted((name for name, files in stored.items() if files.complete), reverse=True)[keep:]
    removed = [
        name
        for name in old
        if (pointer is None or pointer.role(name) is None) and not _is_rolling_out(registry, model, name)
    ]
    for name in removed:
        registry.delete_files(model, name, stored[name])
    return removed


def _pointer(registry: Registry, model: str, revision: int | None) -> Pointer | None:
    version = registry.pointer(model)
    if version is not None and revision is not None and version.pointer.revision != revision:
        raise InvalidState(
            f"The pointer of {model} has revision {version.pointer.revision}, not {revision}: look at the model again."
        )
    return None if version is None else version.pointer


def _unless_revised(model: str, revision: int | None) -> Callable[[Pointer], bool]:
    """Refuses to change a pointer that another writer changed after ``revision`` was read."""

    def check(pointer: Pointer) -> bool:
        if revision is not None and pointer.revision != revision:
            raise InvalidState(f"The pointer of {model} has just changed: look at the model again.")
        return False

    return check


def _complete_files(registry: Registry, model: str, release: str) -> StoredFiles:
    """The files of a complete release, all with the lengths of its manifest; raises NotFound or InvalidState."""
    files = registry.releases(model).get(release)
    if files is None or not files.complete:
        raise NotFound(f"{model!r} has no release {release!r}: use a name that GET /v1/models/{model}/releases lists.")
    try:
        damage = files.damage(registry.manifest(model, release))
    except (ReleaseError, MissingObject) as error:
        damage = str(error)
    if damage is not None:
        raise InvalidState(f"{release} cannot be used: {damage}")
    return files


def _check_promotable(registry: Registry, model: str, release: str, old: Pointer | None, *, force: bool) -> None:
    rejection = registry.rejection(model, release)
    if rejection is not None and (rejection.damaged or not force):
        remedy = "upload it again with larder publish" if rejection.damaged else "send force to promote it nevertheless"
        raise InvalidState(f"{release} is rejected ({rejection.reason}): {remedy}.")
    record = read_record(registry, model, release)
    was_live = old is not None and release == old.previous
    if not was_live and (record is None or not record.checked):
        raise InvalidState(
            f"No rollout has asked {release} its golden requests: run larder publish {release}, with --force if it is "
            "worse than the live one."
        )


def _pass_gate(registry: Registry, model: str, release: str, old: Pointer) -> None:
    live = registry.readable_manifest(model, old.stable)
    if live is None:
        return  # what cannot be read does not restrict the new one
    try:
        check_gate(registry.manifest(model, release), live, read_policy(registry.store, model)[0])
    except ReleaseError as error:
        raise InvalidState(f"{error} By the API: send force.") from error


def _end_record(registry: Registry, model: str, release: str, state: RolloutStatus, reason: str | None) -> None:
    """Record how a rollout ended that left the rest to a person: it waited for approval, or began a canary."""
    record = read_record(registry, model, release)
    if record is not None and record.state in ("approval", "canary"):
        write_record(registry, model, release, record.end(state, reason))


def _is_rolling_out(registry: Registry, model: str, release: str) -> bool:
    record = read_record(registry, model, release)
    if record is None or record.state != "running":
        return False
    try:
        started = datetime.fromisoformat(record.started)
    except ValueError:
        return False
    return datetime.now(UTC) - started < _LONGEST_ROLLOUT

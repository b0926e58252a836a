"""Publishes a release: compares it with the live one, uploads it, verifies it, and makes it answer."""

from pathlib import Path

import click

from larder.errors import InvalidManifest, InvalidRequest, MissingObject, ReleaseError
from larder.registry import Registry
from larder.registry.gate import check_gate
from larder.registry.policy import read_policy
from larder.release.manifest import Manifest
from larder.release.quality import quality
from larder.rollout import Outcome, prober, roll_out, upload
from larder.store import Store, open_store
from larder_local.console import print_table, size
from larder_training.release.loader import read_manifest
from larder_training.release.local_prober import request_sender
from larder_training.reporting.counts import counted


def publish(release: Path, store_url: str, *, force: bool, canary_percent: int | None = None) -> Outcome:
    """Uploads and rolls out the release in a folder; reports each step on standard output.

    With ``canary_percent``, it answers this percentage of the callers and the live release the others. Without, the
    model's policy decides that, and whether a person has to promote it.

    Raises InvalidRequest, before anything is uploaded, if the release does not pass the gate and ``force`` is not set.
    """
    store = open_store(store_url)
    check_quality(release, store, force=force)
    manifest = _upload(release, store)
    return go_live(store, manifest.model, manifest.release, gate=not force, canary_percent=canary_percent)


def upload_only(release: Path, store_url: str, *, force: bool) -> None:
    """Uploads the release in a folder; on AWS the stack's rollout function then verifies and promotes it.

    Raises InvalidRequest as ``publish`` does.
    """
    store = open_store(store_url)
    check_quality(release, store, force=force)
    manifest = _upload(release, store)
    rejection = Registry(store).rejection(manifest.model, manifest.release)
    if rejection is not None:
        click.echo(f"It was rejected: {rejection.reason}")
        click.echo("Next: run `larder publish` without --upload-only to check it again, or train another release.")
        return
    click.echo(
        f"Next: the rollout function of the stack verifies and promotes {manifest.release}; "
        "on a machine without a stack, run `larder publish` without --upload-only."
    )


def check_quality(release: Path, store: Store, *, force: bool) -> None:
    """Prints the qualities of the release in a folder and of the live one side by side, and what the gate says.

    Raises InvalidRequest if the new one does not pass it, unless ``force`` is set.
    """
    new = read_manifest(release)
    live = _live_manifest(store, new.model)
    if live is None or live.release == new.release:
        return
    _print_qualities(new, live)
    try:
        click.echo(check_gate(new, live, read_policy(store, new.model)[0]).how)
    except ReleaseError as error:
        if not force:
            raise InvalidRequest(f"Nothing was uploaded. {error}") from error
        click.echo(f"{error} --force publishes it.")


def go_live(
    store: Store, model: str, release: str, *, gate: bool, quiet: bool = False, canary_percent: int | None = 0
) -> Outcome:
    """Verifies and promotes a release of the store, and prints the outcome unless ``quiet``.

    With ``gate``, one that is worse than the live release is rejected. With ``canary_percent``, it becomes the canary
    if the model has a live release; with None, the model's policy decides that.
    """
    with request_sender(store) as send_request:
        outcome = roll_out(store, model, release, prober(store, send_request), gate=gate, canary_percent=canary_percent)
    if not quiet:
        _print_outcome(outcome, store)
    return outcome


def _print_outcome(outcome: Outcome, store: Store) -> None:
    pointer = outcome.pointer
    if outcome.state == "promoted":
        click.echo("Verified: all files match the manifest, and all golden requests get the expected answers.")
        replaced = f" in place of {pointer.previous}" if pointer and pointer.previous else ""
        click.echo(f"Promoted: {outcome.model} answers with {outcome.release}{replaced}.")
        click.echo(f"Next: {_next(outcome, store)}")
        if pointer and pointer.previous:
            click.echo(f"To go back: larder rollback {outcome.model}{_store_flag(store)}")
    elif outcome.state == "canary" and pointer:
        click.echo("Verified: all files match the manifest, and all golden requests get the expected answers.")
        click.echo(
            f"Canary: {outcome.release} answers {pointer.canary_percent} % of the callers of {outcome.model}, "
            f"{pointer.stable} the others."
        )
        click.echo(f"Next: larder canary show {outcome.model}{_store_flag(store)}")
    elif outcome.state == "approval":
        click.echo("Verified: all files match the manifest, and all golden requests get the expected answers.")
        click.echo(f"Waiting: the policy of {outcome.model} has a person promote each release.")
        click.echo(f"Next: larder promote {outcome.model} {outcome.release}{_store_flag(store)}")
    elif outcome.state == "kept":
        click.echo(f"Nothing changed: {outcome.reason}")
        click.echo(f"Next: larder releases {outcome.model}{_store_flag(store)}")
    else:
        stable = f"{pointer.stable} keeps answering" if pointer else "no release of this model answers"
        click.echo(f"Rejected {outcome.model}/{outcome.release} ({stable}): {outcome.reason}", err=True)


def _next(outcome: Outcome, store: Store) -> str:
    """The command that shows the new release at work."""
    kind = Registry(store).manifest(outcome.model, outcome.release).kind
    if not store.url.startswith("file:"):
        return f"larder releases {outcome.model}{_store_flag(store)}"
    return (
        f"larder classify IMAGE --model {outcome.model}"
        if kind == "classifier"
        else f"larder recommend USER --model {outcome.model}"
    )


def _store_flag(store: Store) -> str:
    """The option that names this store, unless it is in this folder, which is the default."""
    return "" if store.url.startswith("file:") and Path.cwd().as_uri() in store.url else f" --store {store.url}"


def _live_manifest(store: Store, model: str) -> Manifest | None:
    """The manifest of the live release; None if none is live or it cannot be read."""
    registry = Registry(store)
    try:
        version = registry.pointer(model)
        return None if version is None else registry.manifest(model, version.pointer.stable)
    except (InvalidManifest, MissingObject):
        return None


def _print_qualities(new: Manifest, live: Manifest) -> None:
    rows = [["release", new.release, live.release], ["created", new.created, live.created]]
    ours, theirs = quality(new), quality(live)
    for found in dict.fromkeys(entry.metric for entry in (ours, theirs) if entry):
        cells = [entry.short() if entry and entry.metric == found else "-" for entry in (ours, theirs)]
        rows.append([found, *(cell.removeprefix(f"{found} ") for cell in cells)])
    if ours or theirs:
        rows.append(["best baseline", *(entry.best_baseline() if entry else "-" for entry in (ours, theirs))])
        rows.append(["tested on", *(entry.tested_on() if entry else "-" for entry in (ours, theirs))])
    print_table(["", "new", "live"], rows)


def _upload(release: Path, store: Store) -> Manifest:
    uploaded = upload(release, store)
    manifest = uploaded.manifest
    name = f"{manifest.model}/{manifest.release}"
    if uploaded.sent:
        count = counted(len(uploaded.sent), "file")
        click.echo(f"Uploaded {name}: {count}, {uploaded.sent_bytes:,} bytes ({size(uploaded.sent_bytes)}).")
    else:
        click.echo(f"The store has all files of {name}.")
    return manifest

"""Publishes a release: uploads it, verifies it, sends its golden requests and makes it answer."""

from pathlib import Path

import click

from larder.release.manifest import Manifest
from larder.rollout import Outcome, prober, roll_out, upload
from larder.store import Store, open_store
from larder_training.release.local_prober import request_sender


def publish(release: Path, store_url: str) -> Outcome:
    """Uploads and rolls out the release in a folder; reports each step on standard output."""
    store = open_store(store_url)
    manifest = _upload(release, store)
    with request_sender(store) as send_request:
        outcome = roll_out(store, manifest.model, manifest.release, prober(store, send_request))
    if outcome.state == "promoted":
        previous = outcome.pointer.previous if outcome.pointer else None
        click.echo("Verified: all files match the manifest, and all golden requests get the expected answers.")
        replaced = f" in place of {previous}" if previous else ""
        click.echo(f"Promoted: {manifest.model} answers with {manifest.release}{replaced}.")
        click.echo("Next: `larder models` lists what the service answers with.")
    elif outcome.state == "kept":
        click.echo(f"Nothing changed: {outcome.reason}")
    else:
        stable = f"{outcome.pointer.stable} keeps answering" if outcome.pointer else "no release of this model answers"
        click.echo(f"Rejected {manifest.model}/{manifest.release} ({stable}): {outcome.reason}", err=True)
    return outcome


def upload_only(release: Path, store_url: str) -> None:
    """Uploads the release in a folder; on AWS the stack's rollout function then verifies and promotes it."""
    manifest = _upload(release, open_store(store_url))
    click.echo(
        f"Next: the rollout function of the stack verifies and promotes {manifest.release}; "
        "on a machine without a stack, run `larder publish` without --upload-only."
    )


def _upload(release: Path, store: Store) -> Manifest:
    manifest = upload(release, store)
    size = sum(entry.bytes for entry in manifest.files.values())
    click.echo(f"Uploaded {manifest.model}/{manifest.release}: {len(manifest.files)} files, {size:,} bytes.")
    return manifest

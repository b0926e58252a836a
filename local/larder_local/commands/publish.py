"""``larder publish``."""

import sys
from pathlib import Path

import click

from larder.release.manifest import Manifest
from larder.rollout import Outcome, prober, roll_out, upload
from larder.store import Store, open_store
from larder_local.local_prober import request_sender
from larder_local.workspace import Workspace


@click.command("publish")
@click.argument("release")
@click.option(
    "--store",
    envvar="LARDER_STORE",
    help="s3://bucket[/prefix] or file:///folder; without it, what `larder up` serves.",
)
@click.option(
    "--upload-only",
    is_flag=True,
    help="Upload it and nothing else: on AWS, the stack's own rollout takes it from there.",
)
def command(release: str, store: str | None, *, upload_only: bool) -> None:
    """Upload RELEASE, verify it, ask it its golden requests, and make it answer.

    RELEASE is a folder that a training wrote, or a model: then its newest release under .larder/releases. A running
    service answers with it within LARDER_REFRESH_SECONDS (30).
    """
    folder = Workspace.current()
    if upload_only:
        send(folder.release(release), open_store(store or folder.store))
        return
    outcome = publish(folder.release(release), store or folder.store)
    if outcome.state == "rejected":
        sys.exit(1)


def publish(release: Path, store_url: str) -> Outcome:
    """Uploads and rolls out the release in a folder, telling each step on standard output."""
    store = open_store(store_url)
    manifest = send(release, store)
    with request_sender(store) as ask:
        outcome = roll_out(store, manifest.model, manifest.release, prober(store, ask))
    if outcome.state == "promoted":
        before = outcome.pointer.previous if outcome.pointer else None
        click.echo("Verified: every file is what the manifest says, and the golden requests get their answers.")
        click.echo(
            f"Promoted: {manifest.model} answers with {manifest.release}"
            + (f" in place of {before}." if before else ".")
        )
    elif outcome.state == "kept":
        click.echo(f"Nothing changed: {outcome.reason}")
    else:
        live = f"{outcome.pointer.stable} keeps answering" if outcome.pointer else "no release of it answers"
        click.echo(f"Refused {manifest.model}/{manifest.release} ({live}): {outcome.reason}", err=True)
    return outcome


def send(release: Path, store: Store) -> Manifest:
    """Uploads the release in a folder, and tells so."""
    manifest = upload(release, store)
    size = sum(entry.bytes for entry in manifest.files.values())
    click.echo(f"Uploaded {manifest.model}/{manifest.release}: {len(manifest.files)} files, {size:,} bytes.")
    return manifest

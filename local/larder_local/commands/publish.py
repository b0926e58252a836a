"""``larder publish``."""

import sys
from pathlib import Path

import click

from larder.rollout import Outcome, roll_out, upload
from larder.store import Store
from larder_local.folder import Folder
from larder_local.probe import prober


@click.command("publish")
@click.argument("release")
@click.option(
    "--store",
    envvar="LARDER_STORE",
    help="s3://bucket[/prefix] or file:///folder; without it, what `larder up` serves.",
)
def command(release: str, store: str | None) -> None:
    """Upload RELEASE, verify it, ask it its golden requests, and make it answer.

    RELEASE is a folder that a training wrote, or a model: then its newest release under .larder/releases. A running
    service answers with it within LARDER_REFRESH_SECONDS (30).
    """
    folder = Folder.here()
    outcome = publish(folder.release(release), store or folder.store)
    if outcome.state == "rejected":
        sys.exit(1)


def publish(release: Path, store_url: str) -> Outcome:
    """Uploads and rolls out the release in a folder, telling each step on standard output."""
    store = Store.open(store_url)
    manifest = upload(release, store)
    size = sum(entry.bytes for entry in manifest.files.values())
    click.echo(f"Uploaded {manifest.model}/{manifest.release}: {len(manifest.files)} files, {size:,} bytes.")
    outcome = roll_out(store, manifest.model, manifest.release, prober(store))
    if outcome.state == "promoted":
        before = outcome.live.previous if outcome.live else None
        click.echo("Verified: every file is what the manifest says, and the golden requests get their answers.")
        click.echo(
            f"Promoted: {manifest.model} answers with {manifest.release}"
            + (f" in place of {before}." if before else ".")
        )
    elif outcome.state == "kept":
        click.echo(f"Nothing changed: {outcome.reason}")
    else:
        live = f"{outcome.live.stable} keeps answering" if outcome.live else "no release of it answers"
        click.echo(f"Refused {manifest.model}/{manifest.release} ({live}): {outcome.reason}", err=True)
    return outcome

"""``larder publish``."""

import sys

import click

from larder_local.workspace import Workspace


@click.command("publish")
@click.argument("release")
@click.option(
    "--store",
    envvar="LARDER_STORE",
    show_envvar=True,
    help="Store to publish to, as s3://bucket[/prefix] or file:///folder [default: the store of `larder up`].",
)
@click.option(
    "--upload-only",
    is_flag=True,
    help="Upload the release and stop: on AWS, the rollout function of the stack verifies and promotes it.",
)
def command(release: str, store: str | None, *, upload_only: bool) -> None:
    """Upload RELEASE, verify it with its golden requests, and make it answer.

    RELEASE is a release folder, or the name of a model, which selects its newest release in .larder/releases. A running
    service answers with it within LARDER_REFRESH_SECONDS (30 by default).
    """
    # obstore is slow to import: --help does without it.
    from larder_local import publishing

    workspace = Workspace.current()
    if upload_only:
        publishing.upload_only(workspace.release(release), store or workspace.store)
        return
    outcome = publishing.publish(workspace.release(release), store or workspace.store)
    if outcome.state == "rejected":
        sys.exit(1)

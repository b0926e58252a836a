"""``larder publish``."""

import sys

import click

from larder_local.commands.registry.options import store_option
from larder_local.workspace import Workspace


@click.command("publish")
@click.argument("release")
@store_option
@click.option(
    "--upload-only",
    is_flag=True,
    help="Upload the release and stop: on AWS, the rollout function of the stack verifies and promotes it.",
)
@click.option("--force", is_flag=True, help="Publish it even if it is worse than the live release.")
@click.option(
    "--canary",
    "canary_percent",
    type=click.IntRange(1, 99),
    metavar="PERCENT",
    help="Let it answer this percentage of the callers at first, whatever `larder policy` says; see `larder canary`.",
)
def command(release: str, store: str | None, *, upload_only: bool, force: bool, canary_percent: int | None) -> None:
    """Upload RELEASE, verify it with its golden requests, and make it answer.

    RELEASE is a release folder, the model.tar.gz of a SageMaker training job, or the name of a model, which selects its
    newest release in .larder/releases; an archive is unpacked there. A running `larder up` answers with it at once; on
    AWS, functions do within LARDER_REFRESH_SECONDS (30 by default).

    The qualities of the new and the live release are printed side by side. If the new one is worse beyond noise and
    the margin of `larder policy`, nothing is uploaded without --force, and the exit status is 1.
    """
    # obstore is slow to import: --help does without it.
    from larder_local.releases import named, publishing

    if upload_only and canary_percent:
        raise click.UsageError("--upload-only leaves the rollout to the stack: give it or --canary, not both.")
    workspace = Workspace.current()
    url = store or workspace.store
    path = named.newest(release, workspace, url).announce()
    if upload_only:
        publishing.upload_only(path, url, force=force)
        return
    outcome = publishing.publish(path, url, force=force, canary_percent=canary_percent)
    if outcome.state == "rejected":
        sys.exit(1)

"""``larder up``."""

import os
from pathlib import Path

import click

from larder_local.workspace import Workspace


@click.command("up")
@click.option(
    "--port",
    envvar="LARDER_PORT",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    show_envvar=True,
    help="Port on 127.0.0.1; 0 selects a free port.",
)
@click.option(
    "--workers",
    envvar="LARDER_WORKERS",
    type=click.IntRange(1, 256),
    default=os.cpu_count,
    show_default="number of cores",
    show_envvar=True,
    help="Maximum number of worker processes per function.",
)
@click.option("--template", type=click.Path(dir_okay=False, path_type=Path), help="The SAM template to serve.")
@click.option(
    "--built",
    type=click.Path(file_okay=False, path_type=Path),
    help="Serve the bundle that `make build` wrote to this folder (.aws-sam/build), on Python 3.13.",
)
@click.option(
    "--demo/--no-demo", "with_demo", default=True, show_default=True, help="Train the demo if the store has no model."
)
@click.option(
    "--schedule", "with_schedules", is_flag=True, help="Run the schedules of the models; see larder schedule."
)
@click.option(
    "--authorization",
    type=click.Choice(["KEYS", "NONE"]),
    envvar="LARDER_AUTHORIZATION",
    show_envvar=True,
    help="KEYS: callers present a key. NONE: every process of this machine may call [default: that of the template].",
)
def command(
    port: int,
    workers: int,
    template: Path | None,
    built: Path | None,
    authorization: str | None,
    *,
    with_demo: bool,
    with_schedules: bool,
) -> None:
    """Serve the whole API on 127.0.0.1 from the models in .larder/store; needs no AWS account.

    The first start makes a key, stores it in .larder/key and prints it; requests present it as x-api-key. `larder keys`
    makes others. The commands `classify`, `recommend` and `status` find address and key by themselves when they run in
    this folder. A release that is published here answers at once.

    Routes, time-outs and environment variables come from template.yaml. To override a variable that the template sets
    for a function, set it in the environment of this command. LARDER_STORE and LARDER_CACHE_DIR always point into
    .larder.
    """
    if template and built:
        raise click.UsageError("Use either --template or --built: a built bundle has its own template.")
    # aiohttp and obstore are slow to import: --help does without them.
    from larder_local.local_service import serve

    serve(
        Workspace.current(),
        port,
        workers,
        template=template,
        built=built,
        with_demo=with_demo,
        authorization=authorization,
        with_schedules=with_schedules,
    )

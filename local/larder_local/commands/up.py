"""``larder up``."""

import asyncio
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from larder.errors import SettingsError
from larder.store import open_store
from larder_local import demo
from larder_local.gateway.server import HOST, Gateway
from larder_local.gateway.template import Function, Template, find_template, load
from larder_local.sam_build import load_build
from larder_local.workspace import Workspace


@click.command("up")
@click.option(
    "--port",
    envvar="LARDER_PORT",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    show_envvar=True,
    help="0: any.",
)
@click.option(
    "--workers",
    envvar="LARDER_WORKERS",
    type=click.IntRange(1, 256),
    default=os.cpu_count,
    show_default="cores",
    show_envvar=True,
    help="At most so many processes a function.",
)
@click.option("--template", type=click.Path(dir_okay=False, path_type=Path), help="The SAM template to serve.")
@click.option(
    "--built",
    type=click.Path(file_okay=False, path_type=Path),
    help="Serve the bundle that `make build` put there (.aws-sam/build), under Python 3.13 with its layers alone.",
)
@click.option(
    "--demo/--no-demo", "with_demo", default=True, show_default=True, help="Train the demo where there is no model."
)
def command(port: int, workers: int, template: Path | None, built: Path | None, *, with_demo: bool) -> None:
    """Serve the whole API on this machine: 127.0.0.1, no AWS account, models in .larder/store.

    Routes, time-outs and environment come from template.yaml. A variable that the template sets for a function may be
    overridden in this command's environment, but for LARDER_STORE and LARDER_CACHE_DIR, which stay in .larder.
    """
    folder = Workspace.current()
    if template and built:
        raise click.UsageError("--template and --built exclude each other: a built bundle has its own template.")
    served = load_build(built) if built else load(template or find_template(Path.cwd()))
    with folder.lock():
        _check_port(port)
        if with_demo:
            demo.prepare(folder)
        asyncio.run(_serve(folder, with_local_settings(served, folder, os.environ), port, workers))


def with_local_settings(template: Template, folder: Workspace, given: Mapping[str, str]) -> Template:
    """The template with each function's environment as it is on this machine."""

    def local(function: Function) -> Function:
        overridden = {name: given[name] for name in function.environment if name in given}
        places = {"LARDER_STORE": folder.store, "LARDER_CACHE_DIR": str(folder.cache)}
        return replace(function, environment={**function.environment, **overridden, **places})

    return replace(template, functions={name: local(function) for name, function in template.functions.items()})


def _check_port(port: int) -> None:
    """Raises SettingsError where the port is taken: better now than after the demo's training."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise SettingsError(
                f"Port {port} of {HOST} is taken or not allowed: set LARDER_PORT to another.", []
            ) from error


async def _serve(folder: Workspace, template: Template, port: int, workers: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    (folder.root / "store").mkdir(exist_ok=True)
    gateway = Gateway(template, logs=folder.logs, workers=workers)
    try:
        address = await gateway.start(port)
        folder.address.write_text(f"{address}\n", encoding="utf-8")
        click.echo(_greeting(address, folder))
        await stop.wait()
        click.echo("Stopping.")
    finally:
        folder.address.unlink(missing_ok=True)
        await gateway.close()


def _greeting(address: str, folder: Workspace) -> str:
    store = open_store(folder.store)
    digits, user = demo.digits_sample(folder), demo.shop_sample(folder)
    lines = []
    if digits and demo.is_live(store, demo.DIGITS):
        path = os.path.relpath(digits)
        lines.append(
            f"curl --data-binary @{path} -H 'content-type: image/png' {address}/v1/models/{demo.DIGITS}/classify"
        )
    if user and demo.is_live(store, demo.SHOP):
        lines.append(f"curl '{address}/v1/models/{demo.SHOP}/recommend?user={user}&n=10'")
    lines.append(f"curl {address}/v1/models")
    return "\n".join(
        ("", f"Larder answers at {address}. Try:", "", *(f"  {line}" for line in lines), "", "Ctrl-C stops it.")
    )

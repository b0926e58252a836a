"""The service on the developer's machine: the gateway on a port, with the models of a workspace."""

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


def serve(
    workspace: Workspace, port: int, workers: int, *, template: Path | None, built: Path | None, with_demo: bool
) -> None:
    """Serves until SIGINT or SIGTERM; with ``with_demo`` it first trains the demo if the store has no model.

    The functions come from ``built``, a folder that ``make build`` wrote, or else from ``template`` or the template of
    the working folder. Raises SettingsError if a template cannot be served or the port is taken.
    """
    loaded = load_build(built) if built else load(template or find_template(Path.cwd()))
    with workspace.lock():
        _check_port(port)
        if with_demo:
            demo.prepare(workspace)
        asyncio.run(_run_gateway(workspace, with_local_settings(loaded, workspace, os.environ), port, workers))


def with_local_settings(template: Template, workspace: Workspace, environment: Mapping[str, str]) -> Template:
    """The template with the environment that each function has on this machine."""

    def local(function: Function) -> Function:
        overrides = {name: environment[name] for name in function.environment if name in environment}
        paths = {"LARDER_STORE": workspace.store, "LARDER_CACHE_DIR": str(workspace.cache)}
        return replace(function, environment={**function.environment, **overrides, **paths})

    return replace(template, functions={name: local(function) for name, function in template.functions.items()})


def _check_port(port: int) -> None:
    """Raises SettingsError if the port is taken, before the demo is trained."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise SettingsError(
                f"Port {port} of {HOST} is taken or not allowed: set LARDER_PORT to another port.", []
            ) from error


async def _run_gateway(workspace: Workspace, template: Template, port: int, workers: int) -> None:
    stop = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    (workspace.root / "store").mkdir(exist_ok=True)
    gateway = Gateway(template, logs=workspace.logs, workers=workers)
    try:
        address = await gateway.start(port)
        workspace.address.write_text(f"{address}\n", encoding="utf-8")
        click.echo(_greeting(address, workspace))
        await stop.wait()
        click.echo("Stopping.")
    finally:
        workspace.address.unlink(missing_ok=True)
        await gateway.close()


def _greeting(address: str, workspace: Workspace) -> str:
    store = open_store(workspace.store)
    digits, user = demo.digits_sample(workspace), demo.shop_sample(workspace)
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
        ("", f"Larder answers at {address}. Try:", "", *(f"  {line}" for line in lines), "", "Press Ctrl-C to stop it.")
    )

"""The service on the developer's machine: the gateway on a port, with the models of a workspace."""

import asyncio
import json
import os
import shlex
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import click

from larder.errors import SettingsError
from larder.events.settings import read_settings
from larder.events.sqlite import SqliteQueue
from larder.store import open_store
from larder_local import demo
from larder_local.gateway.event_source import EventSource
from larder_local.gateway.server import HOST, Gateway
from larder_local.gateway.template import Function, Template, find_template, load
from larder_local.heartbeat import LocalHeartbeat
from larder_local.keys import local_key
from larder_local.releases.canary_watch import watch_canaries
from larder_local.sam_build import load_build
from larder_local.schedules import Schedules
from larder_local.workspace import RunningService, Workspace

_AUTHORIZATION: Final = "LARDER_AUTHORIZATION"
_REFRESH: Final = "LARDER_REFRESH_SECONDS"
_EVENTS: Final = ("LARDER_EVENTS_STORE", "LARDER_EVENTS_QUEUE")


def serve(
    workspace: Workspace,
    port: int,
    workers: int,
    *,
    template: Path | None,
    built: Path | None,
    with_demo: bool,
    authorization: str | None,
    with_schedules: bool,
) -> None:
    """Serves until SIGINT or SIGTERM; with ``with_demo`` it first trains the demo if the store has no model.

    The functions come from ``built``, a folder that ``make build`` wrote, or else from ``template`` or the template of
    the working folder. ``authorization`` replaces the template's; with KEYS, the first start makes a key. With
    ``with_schedules``, the schedules of the models ask for trainings. Raises SettingsError if a template cannot be
    served or the port is taken.
    """
    loaded = load_build(built) if built else load(template or find_template(Path.cwd()))
    environment = {**os.environ, **({_AUTHORIZATION: authorization} if authorization else {})}
    with workspace.lock():
        _check_port(port)
        (workspace.root / "store").mkdir(exist_ok=True)
        served = with_local_settings(loaded, workspace, environment)
        key = local_key.ensure(workspace) if checks_keys(served) else None
        missing = demo.missing(workspace) if with_demo else ()
        schedules = Schedules(open_store(workspace.store)) if with_schedules else None
        service = _LocalService(workspace, served, port, workers, key, schedules)
        status = asyncio.run(service.run(missing))
    if status:
        sys.exit(status)


def with_local_settings(template: Template, workspace: Workspace, environment: Mapping[str, str]) -> Template:
    """The template with the environment that each function has on this machine."""

    def local(function: Function) -> Function:
        overrides = {name: environment[name] for name in function.environment if name in environment}
        if _REFRESH in function.environment:  # the store is a folder: reading the pointer for each request is cheap
            overrides = {_REFRESH: "0", **overrides}
        paths = {"LARDER_STORE": workspace.store, "LARDER_CACHE_DIR": str(workspace.cache)}
        paths |= {name: workspace.events for name in _EVENTS if name in function.environment}
        return replace(function, environment={**function.environment, **overrides, **paths})

    return replace(template, functions={name: local(function) for name, function in template.functions.items()})


def checks_keys(template: Template) -> bool:
    """Whether a function of the template lets only the holders of keys call it."""
    return any(function.environment.get(_AUTHORIZATION) == "KEYS" for function in template.functions.values())


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


class _LocalService:
    """The gateway, and beside it the training of the demo, until a signal stops both."""

    def __init__(
        self,
        workspace: Workspace,
        template: Template,
        port: int,
        workers: int,
        key: str | None,
        schedules: Schedules | None = None,
    ) -> None:
        self._workspace = workspace
        self._template = template
        self._port = port
        self._workers = workers
        self._key = key
        self._schedules = schedules
        self._stop = asyncio.Event()
        self._signal = 0

    async def run(self, missing: Sequence[str]) -> int:
        """Trains the first ``missing`` model if none is live, serves, and trains the others while it answers.

        Returns the exit status: 0 if a signal ended the service, 128 and the signal's number if it came before.
        Raises LarderError if the demo cannot be completed.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._stopped_by, number)
        if len(missing) == len(demo.MODELS):
            click.echo("There is no model yet: training the demo once. The first model answers after about a minute.")
            first, *missing = missing
            await self._until_stopped(demo.train(self._workspace, first))
            if self._stop.is_set():
                return 128 + self._signal
        gateway = Gateway(self._template, logs=self._workspace.logs, workers=self._workers)
        try:
            address = await gateway.start(self._port)
            running = RunningService(
                url=address,
                pid=os.getpid(),
                functions=sorted(self._template.functions),
                workers=self._workers,
            )
            with self._workspace.announce(running):
                async with self._event_log(gateway), self._background(address):
                    with self._schedules.running() if self._schedules else nullcontext():
                        await self._serve(address, missing)
        finally:
            await gateway.close()
        return 0

    async def _serve(self, address: str, missing: Sequence[str]) -> None:
        click.echo(greeting(address, self._workspace, missing, self._key))
        for model in missing:
            await self._until_stopped(demo.train(self._workspace, model))
        if missing and not self._stop.is_set():
            click.echo(greeting(address, self._workspace, (), self._key))
        await self._stop.wait()
        click.echo("Stopping.")

    @asynccontextmanager
    async def _event_log(self, gateway: Gateway) -> AsyncIterator[None]:
        """Takes messages of the local queue to the functions that take them on AWS, until the block ends."""
        functions = [name for name, function in self._template.functions.items() if function.takes_messages]
        path = self._workspace.events.removeprefix("sqlite://")
        queues = [SqliteQueue.open(path) for _ in functions]
        polling = [
            asyncio.create_task(EventSource(queue, partial(gateway.invoke, name)).run())
            for queue, name in zip(queues, functions, strict=True)
        ]
        try:
            yield
        finally:
            for task in polling:
                task.cancel()
            await asyncio.gather(*polling, return_exceptions=True)
            for queue in queues:
                queue.close()

    @asynccontextmanager
    async def _background(self, address: str) -> AsyncIterator[None]:
        """Asks the models every minute, and promotes or rejects canaries by the log, until the block ends."""
        store = open_store(self._workspace.store)
        tasks = [
            asyncio.create_task(LocalHeartbeat(store, address, self._key).run()),
            asyncio.create_task(watch_canaries(store, self._workspace.logs)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_stopped(self, work: Coroutine[None, None, None]) -> None:
        """Awaits ``work``, or cancels it at a signal."""
        task, stopped = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not self._stop.is_set():
                await task
        finally:
            for unfinished in (task, stopped):
                unfinished.cancel()
            await asyncio.gather(task, stopped, return_exceptions=True)

    def _stopped_by(self, number: int) -> None:
        self._signal = number
        self._stop.set()


def greeting(address: str, workspace: Workspace, missing: Sequence[str], key: str | None) -> str:
    """What a person can do now, with the address of this service; ``missing`` models are still being trained.

    With a ``key``, the service answers only requests that present one.
    """
    store = open_store(workspace.store)
    digits, user = demo.digits_sample(workspace), demo.shop_sample(workspace)
    requests, commands = [], []
    curl = 'curl -H "x-api-key: $LARDER_KEY"' if key else "curl"
    if digits and demo.is_live(store, demo.DIGITS):
        path = os.path.relpath(digits)
        requests.append(
            f"{curl} --data-binary @{path} -H 'content-type: image/png' {address}/v1/models/{demo.DIGITS}/classify"
        )
        commands.append(f"larder classify {path} --model {demo.DIGITS}")
    if user and demo.is_live(store, demo.SHOP):
        requests.append(f"{curl} '{address}/v1/models/{demo.SHOP}/recommend?user={user}&n=10'")
        commands.append(f"larder recommend {user} --model {demo.SHOP}")
        if read_settings(store, demo.SHOP)[0].enabled and (item := demo.shop_item(workspace)):
            event = json.dumps({"type": "click", "item": item, "user": user})
            requests.append(f"{curl} {address}/v1/models/{demo.SHOP}/events -d '{event}'")
    requests.append(f"{curl} {address}/v1/models")
    if key:
        requests.insert(0, f"export LARDER_KEY={key}")
    commands.append("larder status")
    training = f" while {' and '.join(missing)} is trained" if missing else ""
    lines = ["", f"Larder answers at {address}. Try, in another terminal{training}:", ""]
    lines += [f"  {line}" for line in requests]
    found = "address and key" if key else "address"
    lines += ["", f"Or with the command line, which finds this {found} by itself:", ""]
    lines += [f"  {line}" for line in (*_path(), *commands)]
    if not missing:
        lines += ["", "Press Ctrl-C to stop it."]
    return "\n".join(lines)


def _path() -> list[str]:
    """The line that puts ``larder`` on the PATH of a shell in this folder; none if it is there."""
    scripts = Path(sys.executable).parent
    found = shutil.which("larder")
    if found and Path(found).parent.resolve() == scripts.resolve():
        return []
    folder = f"$PWD/{scripts.relative_to(Path.cwd())}" if scripts.is_relative_to(Path.cwd()) else str(scripts)
    return [f"cd {shlex.quote(str(Path.cwd()))}", f'export PATH="{folder}:$PATH"']

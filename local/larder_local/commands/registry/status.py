"""``larder status``."""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import click

from larder_local.commands.registry.options import open_existing, store_option
from larder_local.console import print_table
from larder_local.workspace import Workspace

if TYPE_CHECKING:  # the help of the command loads no store
    from larder.health.heartbeats import HealthRecord
    from larder.store import Store
    from larder_local.releases.listing import ListedModel


@dataclass(frozen=True, slots=True)
class _Service:
    """What the service answers.

    Attributes:
        url: Its address; None if none runs in this folder and LARDER_URL is not set.
        milliseconds: The time of its answer; None if it does not answer.
        workers: The worker processes, in words; None for a service elsewhere.
        models: The live release of each model, as the service lists them.
        problem: Why there is no answer; None otherwise.
    """

    url: str | None
    milliseconds: float | None = None
    workers: str | None = None
    models: dict[str, str | None] = field(default_factory=dict)
    problem: str | None = None


@click.command("status")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
def command(store: str | None, *, as_json: bool) -> None:
    """Show whether the service answers, its address, its store, its models, and all problems.

    For each model, it shows how many heartbeats of the last hour were answered as in training, and the median time of
    an answer. The service is the one at LARDER_URL [default: the `larder up` of this folder]. The exit status is 1 if
    there is a problem.
    """
    from larder_local.releases.listing import list_models

    workspace = Workspace.current()
    opened = open_existing(workspace, store)
    service = _ask(workspace)
    models = list_models(workspace, opened)
    health = _health(opened, models)
    problems = [f"{entry.model}: {problem}" for entry in models for problem in entry.problems]
    problems += _failing(health, models)
    if service.problem is not None:
        problems.insert(0, service.problem)
    elif not store:  # the service may have another store than the one that was given
        problems += [
            f"{entry.model}: the store says that {entry.live.release} is live, the service does not list it"
            for entry in models
            if entry.live and service.models.get(entry.model) != entry.live.release and not os.environ.get("LARDER_URL")
        ]
    url = opened.url if opened is not None else f"{workspace.store} (does not exist yet)"
    if as_json:
        document = {
            "service": {"url": service.url, "up": service.problem is None, "milliseconds": service.milliseconds},
            "workers": service.workers,
            "store": url,
            "models": [entry.document() for entry in models],
            "heartbeats": {model: _summary(record) for model, record in health.items()},
            "problems": problems,
        }
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        _print(service, url, [_row(entry, health.get(entry.model)) for entry in models])
        for problem in problems:
            click.echo(f"Problem: {problem}")
        click.echo("No problems." if not problems else "", nl=not problems)
    if problems:
        sys.exit(1)


def _print(service: _Service, store: str, models: list[list[str]]) -> None:
    milliseconds = f", answers in {service.milliseconds:.0f} ms" if service.milliseconds is not None else ""
    state = "down" if service.problem else f"up at {service.url}{milliseconds}"
    facts = [("service", state), ("workers", service.workers or "-"), ("store", store)]
    for name, value in facts:
        click.echo(f"{name:8} {value}")
    if models:
        click.echo()
        print_table(["model", "state", "live release", "available, last hour", "median ms"], models)
    click.echo()


def _health(store: "Store | None", models: "Sequence[ListedModel]") -> "dict[str, HealthRecord]":
    """The heartbeats of the last hour, by model."""
    from larder.health.heartbeats import read_health

    return {} if store is None else {entry.model: read_health(store, entry.model, time.time()) for entry in models}


def _failing(health: "Mapping[str, HealthRecord]", models: "Sequence[ListedModel]") -> list[str]:
    """A problem for each live release that did not answer its last heartbeat."""
    problems = []
    for entry in models:
        record, live = health.get(entry.model), entry.live
        last = record.last(live.release, time.time()) if record and live else None
        if last is not None and not last.available:
            problems.append(f"{entry.model}: the heartbeat of {last.time} found: {last.reason}")
    return problems


def _row(entry: "ListedModel", record: "HealthRecord | None") -> list[str]:
    beats = record.heartbeats if record else ()
    answered, latency = sum(beat.available for beat in beats), record.latency() if record else None
    available = f"{answered} of {len(beats)}" if beats else "-"
    live = entry.live.release if entry.live else "-"
    return [entry.model, entry.state, live, available, "-" if latency is None else f"{latency:.1f}"]


def _summary(record: "HealthRecord") -> dict[str, object]:
    return {
        "heartbeats": len(record.heartbeats),
        "availability": record.availability(),
        "latency_ms": record.latency(),
        "last": asdict(record.heartbeats[-1]) if record.heartbeats else None,
    }


def _ask(workspace: Workspace) -> _Service:
    from larder_client import Client, ClientError
    from larder_local.service import key_for, message

    running, stated = workspace.running_service(), os.environ.get("LARDER_URL")
    url = stated or (running.url if running else None)
    if url is None:
        return _Service(None, problem="no service runs in this folder. Start it: larder up")
    workers = None
    if running and url == running.url:
        workers = f"up to {running.workers} for each of {', '.join(running.functions)} (process {running.pid})"
    start = time.perf_counter()
    try:
        with Client(url, key_for(workspace, url)) as client:
            models = {entry.model: entry.live for entry in client.models()}
    except ClientError as error:
        return _Service(url, workers=workers, problem=message(error, url))
    except ValueError as error:
        raise click.UsageError(f"LARDER_URL or LARDER_KEY cannot be used. {error}") from error
    return _Service(url, round(1000 * (time.perf_counter() - start), 1), workers, models)

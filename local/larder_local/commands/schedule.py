"""``larder schedule``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from larder_local.commands.registry.options import listed_model, open_existing, store_option
from larder_local.console import print_table
from larder_local.workspace import Workspace

if TYPE_CHECKING:  # it imports obstore, which is slow: --help does without it
    from larder.jobs.schedules import Schedule


@click.command("schedule")
@click.argument("model")
@click.option(
    "--cron",
    metavar="EXPRESSION",
    help="The times, as minute, hour, day of month, month and day of week: '0 3 * * *' is 3:00 every day; '' for none.",
)
@click.option("--time-zone", metavar="NAME", help="The time zone of the times, such as Europe/Berlin [default: UTC].")
@click.option(
    "--after-events",
    type=click.IntRange(0),
    metavar="N",
    help="Train after so many new events since the live release was trained; 0 for no number.",
)
@click.option("--on-drift/--no-on-drift", default=None, help="Train when an alarm about drift goes off (on AWS).")
@click.option(
    "--channel",
    "channels",
    multiple=True,
    metavar="NAME=URI",
    help="Data: s3://bucket/prefix/, training-data/MODEL/... or logs/MODEL/... of the store; repeatable "
    "[default: what the live release's job read].",
)
@click.option(
    "--set",
    "values",
    multiple=True,
    metavar="NAME=VALUE",
    help="Hyperparameter, such as trials=12; repeatable [default: those of the live release's job].",
)
@click.option("--off", is_flag=True, help="Switch the schedule off; what it states stays.")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the schedule as JSON.")
def command(
    model: str,
    *,
    channels: Sequence[str],
    values: Sequence[str],
    off: bool,
    store: str | None,
    as_json: bool,
    **given: object,
) -> None:
    """Show when MODEL is trained again by itself, or change it.

    EventBridge Scheduler runs the schedules of a stack on AWS; `larder up --schedule` runs those of .larder/store. Each
    training becomes a release, which goes live if it passes the rollout. One training of a model runs at a time.
    """
    from larder.jobs.schedules import changed_schedule, read_schedule, wanted_job, write_schedule
    from larder.jobs.start import planned_job
    from larder.store import open_store

    workspace = Workspace.current()
    listed_model(workspace, open_existing(workspace, store), model)
    opened = open_store(store or workspace.store)
    schedule, etag = read_schedule(opened, model)
    changes: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    if channels:
        changes["channels"] = _pairs(channels, "--channel")
    if values:
        changes["hyperparameters"] = _pairs(values, "--set")
    if off and changes:
        raise click.UsageError("--off switches the schedule off: give it alone.")
    if off or changes:
        schedule = changed_schedule(schedule, {**changes, "enabled": not off})
        if schedule.enabled:
            planned_job(opened, model, wanted_job(schedule))  # raises for what no training can have
        write_schedule(opened, model, schedule, etag)
    _show(model, schedule, as_json=as_json)


def _pairs(texts: Sequence[str], flag: str) -> dict[str, str]:
    """The values by name of ``NAME=VALUE``. Raises UsageError."""
    pairs = [text.partition("=") for text in texts]
    if wrong := [text for text, (name, equals, _) in zip(texts, pairs, strict=True) if not name or not equals]:
        raise click.UsageError(f"{flag} {wrong[0]!r} is not NAME=VALUE: give both.")
    return {name: value for name, _, value in pairs}


def _show(model: str, schedule: "Schedule", *, as_json: bool) -> None:
    from larder.jobs.schedules import next_time

    at = next_time(schedule, datetime.now(UTC))
    if as_json:
        click.echo(
            json.dumps({**asdict(schedule), "next": None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"}, indent=2)
        )
        return
    shown = {
        "on": "yes" if schedule.enabled else "no",
        "times": f"{schedule.cron} ({schedule.time_zone})" if schedule.cron else "-",
        "next": "-" if at is None else f"{at:%Y-%m-%d %H:%M} UTC",
        "after events": f"{schedule.after_events:,}" if schedule.after_events else "-",
        "on drift": "yes" if schedule.on_drift else "no",
        "data": ", ".join(f"{name}={uri}" for name, uri in schedule.channels.items()) or "as the live release's job",
        "hyperparameters": ", ".join(f"{name}={value}" for name, value in schedule.hyperparameters.items())
        or "as the live release's job",
    }
    print_table(("schedule", "value"), [[name, text] for name, text in shown.items()])
    if not schedule.enabled:
        click.echo(f"To switch it on: larder schedule {model} --cron '0 3 * * *'")

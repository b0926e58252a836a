"""The service that the commands ask: where it is, which model, and its errors as messages of the command line."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from larder.release.keys import check_model
from larder_client import APIError, Client, ClientError, ConnectionFailed, TimedOut
from larder_local.workspace import Workspace

_DEFAULT: Final = "http://127.0.0.1:8080"
# What to do about an answer of the gateway, where the command's user can do something else than a program can.
_ADVICE: Final = {
    403: "it accepts signed requests only, which this command does not send; see docs/how-to/deploy-to-aws.md",
    404: "it has no such route; set LARDER_URL to a Larder service",
}


@contextmanager
def connect() -> Iterator[Client]:
    """A client of ``LARDER_URL``, or of the ``larder up`` of this folder, or of port 8080 of this machine.

    Inside the block every ClientError becomes a ClickException.
    """
    address = Workspace.current().address
    running = address.read_text(encoding="utf-8").strip() if address.is_file() else _DEFAULT
    try:
        client = Client(os.environ.get("LARDER_URL") or running)
    except ValueError as error:
        raise click.UsageError(f"LARDER_URL cannot be used. {error}") from error
    with client:
        try:
            yield client
        except ClientError as error:
            raise click.ClickException(message(error, client.url)) from error


def model_name(client: Client, kind: str, name: str | None) -> str:
    """The model to ask: ``name``, or the only one of ``kind``; raises InvalidRequest for an invalid name."""
    if name:
        return check_model(name)
    names = [entry.model for entry in client.models() if entry.kind == kind]
    if len(names) != 1:
        listed = ", ".join(names) or "none"
        raise click.UsageError(f"The service has {len(names)} models of kind {kind} ({listed}): name one with --model.")
    return names[0]


def message(error: ClientError, url: str) -> str:
    """The service's own words; where it has none, what is wrong and what the command's user can do."""
    if isinstance(error, ConnectionFailed | TimedOut):
        return f"No answer from {url} ({error.reason}): start it with `larder up`, or set LARDER_URL."
    if not isinstance(error, APIError):
        return f"{url} is not a Larder service: set LARDER_URL."
    advice = _ADVICE.get(error.status) if error.code is None else None
    # Without a code, the message is the status and the client's own advice, with a colon between.
    return f"{error.message.partition(':')[0]}: {advice}." if advice else error.message

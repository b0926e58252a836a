"""The connection of the commands to the service: its address, the selected model, and messages for its errors."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from larder.release.keys import check_model
from larder_client import APIError, Client, ClientError, ConnectionFailed, NotFound, TimedOut
from larder_local.console import suggestion
from larder_local.keys import local_key
from larder_local.workspace import Workspace

_DEFAULT: Final = "http://127.0.0.1:8080"
# Advice for responses of the gateway, where it differs from the advice that larder_client gives to programs.
_ADVICE: Final = {
    403: "it accepts signed requests only, which this command does not send; see docs/how-to/call-with-a-key.md",
    404: "it has no such route; set LARDER_URL to a Larder service",
}


@contextmanager
def connect(model: str | None = None) -> Iterator[Client]:
    """A client of ``LARDER_URL``, or of the ``larder up`` of this folder, or of port 8080 of this machine.

    Its key is ``LARDER_KEY``; without it, that of this folder, which is sent to no service but the one of this folder.
    The port of ``larder up`` does not matter: it writes its address into the folder. Inside the block every ClientError
    becomes a ClickException; one about ``model``, which the service does not have, names the nearest models.
    """
    workspace = Workspace.current()
    running = workspace.running_service()
    url = os.environ.get("LARDER_URL") or (running.url if running else _DEFAULT)
    try:
        client = Client(url, key_for(workspace, url))
    except ValueError as error:
        raise click.UsageError(f"LARDER_URL or LARDER_KEY cannot be used. {error}") from error
    with client:
        try:
            yield client
        except ClientError as error:
            raise click.ClickException(f"{message(error, client.url)}{near_models(client, error, model)}") from error


def key_for(workspace: Workspace, url: str) -> str | None:
    """The key for requests to ``url``: ``LARDER_KEY``, or that of this folder for the service of this folder."""
    running = workspace.running_service()
    own = local_key.read(workspace) if running and url == running.url else None
    return os.environ.get(local_key.VARIABLE) or own


def model_name(client: Client, kind: str, name: str | None) -> str:
    """The name of the model: ``name``, or the only model of ``kind``.

    Raises InvalidRequest for an invalid name and UsageError if the service does not have exactly one such model.
    """
    if name:
        return check_model(name)
    names = [entry.model for entry in client.models() if entry.kind == kind]
    if not names:
        raise click.UsageError(f"The service has no {kind} yet: train one with `larder train {kind}`, then publish it.")
    if len(names) > 1:
        raise click.UsageError(f"There are {len(names)} models of kind {kind} ({', '.join(names)}): give --model.")
    return names[0]


def near_models(client: Client, error: ClientError, model: str | None) -> str:
    """For the error about a model that the service does not have: the models with a similar name, as a sentence."""
    if not isinstance(error, NotFound) or error.code is None or model is None:
        return ""
    try:
        known = [entry.model for entry in client.models()]
    except ClientError:
        return ""
    return "" if model in known else suggestion(model, known)


def message(error: ClientError, url: str) -> str:
    """The message of the service; without one, the problem and what the user of the command can do."""
    if isinstance(error, ConnectionFailed | TimedOut):
        return f"No answer from {url} ({error.reason}): start it with `larder up`, or set LARDER_URL."
    if not isinstance(error, APIError):
        return f"{url} is not a Larder service: set LARDER_URL."
    advice = _ADVICE.get(error.status) if error.code is None else None
    # Without a code, the message is the status and the client's own advice, with a colon between.
    return f"{error.message.partition(':')[0]}: {advice}." if advice else error.message

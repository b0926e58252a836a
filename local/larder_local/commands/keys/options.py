"""What the commands of this folder share: the store of the keys, times, and what to do with a secret."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from larder_local.workspace import Workspace

if TYPE_CHECKING:  # obstore is slow to import: --help does without it
    from larder.auth.keys import Key
    from larder_local.keys.key_store import KeyStore

F = TypeVar("F", bound=Callable[..., Any])
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([0-9]{1,6})([smhdw])")
_URL: Final = "https://..."


def kms_option(command: F) -> F:
    """Decorator that adds ``--kms-key``."""
    return click.option(
        "--kms-key",
        metavar="ARN",
        envvar="LARDER_KMS_KEY",
        show_envvar=True,
        help="KMS key that encrypts the keys in a bucket; the stack's parameter KeysKmsKey must name it too "
        "[default: the key of S3, aws/s3].",
    )(command)


def json_option(command: F) -> F:
    """Decorator that adds ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")(command)


def open_keys(store: str | None, kms_key: str | None = None) -> "KeyStore":
    """The keys of ``store``, or of the store of this folder."""
    from larder_local.keys.key_store import KeyStore

    return KeyStore.open(store or Workspace.current().store, kms_key)


class Duration(click.ParamType):
    """A duration, in seconds."""

    name = "DURATION"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read ``90d``."""
        if isinstance(value, int):
            return value
        match = _DURATION.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is not a duration: use a number and s, m, h, d or w, as in 90d.", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


class Expiry(click.ParamType):
    """A time in the future, in seconds since the epoch."""

    name = "DURATION|DATE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read ``90d`` or ``2027-03-31``."""
        text, now = str(value), int(time.time())
        if match := _DURATION.fullmatch(text):
            end = now + int(match[1]) * _UNITS[match[2]]
        else:
            try:
                day = datetime.fromisoformat(text)
                end = int((day if day.tzinfo else day.replace(tzinfo=UTC)).timestamp())
            except ValueError:
                self.fail(f"{text!r} is neither a duration such as 90d nor a date such as 2027-03-31.", param, ctx)
        if not now < end < 2**35:
            self.fail(f"{text!r} is not in the future, or too far in it.", param, ctx)
        return end


def document(key: "Key") -> dict[str, object]:
    """A key as the commands print it as JSON; without its secrets."""
    from larder.auth.keys import format_time

    return {
        "id": key.id,
        "description": key.description,
        "state": key.state(time.time()),
        "scopes": [str(scope) for scope in key.scopes],
        "signs": key.signs,
        "created": format_time(key.created),
        "expires": None if key.expires is None else format_time(key.expires),
        "revoked": None if key.revoked is None else format_time(key.revoked),
        "secrets": [{"until": None if s.until is None else format_time(s.until)} for s in key.secrets],
        "rate": key.rate,
        "burst": key.burst if key.rate is not None else None,
        "default_model": key.default_model,
    }


def print_secret(key: "Key", secret: str, *, as_json: bool, local: bool) -> None:
    """Print a new secret, which is stored nowhere else, and how to use it; ``local`` for the store of this folder."""
    if as_json:
        click.echo(json.dumps({**document(key), "secret": secret, "key": f"{key.id}.{secret}"}, indent=2))
        return
    running = Workspace.current().running_service() if local else None
    for line in _instructions(key, secret, running.url if running else _URL):
        click.echo(line)


def _instructions(key: "Key", secret: str, url: str) -> Iterator[str]:
    yield f"id      {key.id}"
    yield f"secret  {secret}"
    yield f"key     {key.id}.{secret}"
    yield ""
    yield "The secret is shown only now: keep it where only its user can read it."
    yield ""
    yield f"Next: curl -H 'x-api-key: {key.id}.{secret}' {_request(key, url)}"
    yield f"      Client({url!r}, key=...) of larder_client, or LARDER_KEY for `larder classify` and `recommend`"
    if key.signs:
        yield ""
        yield "For boto3, which signs its requests:"
        yield f"      export AWS_ACCESS_KEY_ID={key.id}"
        yield f"      export AWS_SECRET_ACCESS_KEY={secret}"
        yield f"      export AWS_ENDPOINT_URL_REKOGNITION={url} AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME={url}"
        yield f"      export AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME={url} AWS_DEFAULT_REGION=us-east-1"


def _request(key: "Key", url: str) -> str:
    """The arguments of curl for a request that the key may send."""
    scopes = {scope.action: scope.model for scope in reversed(key.scopes)}
    if "classify" in scopes:
        return f"--data-binary @IMAGE {url}/v1/models/{_model(scopes['classify'])}/classify"
    if "recommend" in scopes:
        return f"'{url}/v1/models/{_model(scopes['recommend'])}/recommend?user=USER'"
    if "events" in scopes:
        model, event = _model(scopes["events"]), '{"type": "click", "item": "ITEM", "user": "USER"}'
        return f"{url}/v1/models/{model}/events -d '{event}'\n      larder events snippet {model}, for a page"
    return f"{url}/v1/models"


def _model(pattern: str) -> str:
    return pattern if "*" not in pattern else "MODEL"

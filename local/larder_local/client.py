"""A thin client of the HTTP API, for the commands that ask a running service."""

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import click

from larder.release.keys import check_model
from larder_local.folder import Folder

_DEFAULT: Final = "http://127.0.0.1:8080"
_SECONDS: Final = 60.0
_ADVICE: Final = {
    403: "it wants requests that are signed, which this command does not do; see docs/deploy.md",
    404: "it has no such route; set LARDER_URL to a Larder service",
    413: "a request takes a picture of at most 4.7 MB; scale it down",
    429: "wait, then try again",
    503: "try again",
}


class Client:
    """Asks the service at ``address``; every refusal becomes a ClickException with the service's own words."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")

    @classmethod
    def from_environment(cls) -> "Client":
        """At ``LARDER_URL``, or where ``larder up`` runs in this folder, or at port 8080 of this machine."""
        address = Folder.here().address
        written = address.read_text(encoding="utf-8").strip() if address.is_file() else _DEFAULT
        return cls(os.environ.get("LARDER_URL") or written)

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON answer to a GET."""
        return self._ask(urllib.request.Request(self._url(path, parameters)))  # noqa: S310  the user's own address

    def post(
        self, path: str, body: bytes, content_type: str, parameters: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The JSON answer to a POST of ``body``."""
        headers = {"content-type": content_type}
        return self._ask(urllib.request.Request(self._url(path, parameters), body, headers))  # noqa: S310  as above

    def model(self, kind: str, named: str | None) -> str:
        """The model to ask: ``named``, or the only one of ``kind``; raises InvalidRequest for a name that is none."""
        if named:
            return check_model(named)
        found = [entry["model"] for entry in self.get("/v1/models")["models"] if entry["kind"] == kind]
        if len(found) != 1:
            listed = ", ".join(found) or "none"
            raise click.UsageError(
                f"The service has {len(found)} models of kind {kind} ({listed}): name one with --model."
            )
        return str(found[0])

    def _url(self, path: str, parameters: Mapping[str, str] | None) -> str:
        if not self.address.startswith(("http://", "https://")):
            raise click.UsageError(f"LARDER_URL is {self.address!r}: it must begin with http:// or https://.")
        return f"{self.address}{path}" + (f"?{urlencode(parameters)}" if parameters else "")

    def _ask(self, request: urllib.request.Request) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310  as above
                document = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise click.ClickException(_reason(error.code, error.read())) from error
        except (OSError, ValueError) as error:
            raise click.ClickException(
                f"No answer from {self.address} ({error}): start it with `larder up`, or set LARDER_URL."
            ) from error
        if not isinstance(document, dict):
            raise click.ClickException(f"{self.address} is no Larder service: set LARDER_URL.")
        return document


def _reason(status: int, body: bytes) -> str:
    """The service's own words, or for what its gateway answered, which says nothing else, what to do."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        advice = _ADVICE.get(status, "see the service's log, or set LARDER_URL to another")
        return f"The service answered {status} {http.client.responses.get(status, '')}".rstrip() + f": {advice}."

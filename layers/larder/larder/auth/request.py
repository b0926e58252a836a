"""The part of a request that identifies its caller."""

from collections.abc import Mapping
from typing import Final, Protocol
from urllib.parse import parse_qsl

from larder.errors import InvalidRequest

_FORM: Final = "application/x-www-form-urlencoded"
_MAX_PARAMETERS: Final = 10_000


class SignedRequest(Protocol):
    """A request as it arrived. ``larder.web.request.Request`` is one."""

    @property
    def method(self) -> str:
        """The HTTP method, in upper case."""

    @property
    def path(self) -> str:
        """The path that the caller signed, with the stage; decoded if the front door decodes paths."""

    @property
    def raw_query(self) -> str:
        """The query string, percent-encoded."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by lower-case name; values of a repeated header are joined with commas."""

    def raw_body(self) -> bytes:
        """The body as it was sent."""


def query_pairs(text: str) -> list[tuple[str, str]]:
    """The names and values of a query string or of a form, decoded, in order; ``+`` is a space."""
    if not text:
        return []
    try:
        return parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=_MAX_PARAMETERS)
    except ValueError as error:
        raise InvalidRequest(f"There are more than {_MAX_PARAMETERS} parameters: send fewer.") from error


def is_form(request: SignedRequest) -> bool:
    """Whether the body is a form."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM

"""API keys and access tokens as they stand in a request.

==========================  ==============================================================
``x-api-key``               most clients, AWS's API keys
``x-goog-api-key``          Google's clients
``authorization: Bearer``   Kubernetes, KServe and OpenAI's clients
``key=``                    Google's REST examples; the query string
``access_token=``           Baidu's clients; the query string
==========================  ==============================================================
"""

from collections.abc import Mapping
from typing import Final

HEADERS: Final = ("x-api-key", "x-goog-api-key")
PARAMETERS: Final = ("key", "access_token")
_SIGNATURE: Final = "X-Amz-"  # of presigned URLs
_BEARER: Final = "bearer "


def is_credential(parameter: str) -> bool:
    """Whether a query parameter of this name identifies the caller, and means nothing to a route."""
    return parameter in PARAMETERS or parameter.startswith(_SIGNATURE)


def in_headers(headers: Mapping[str, str]) -> str | None:
    """The key or token in a header of its own, or None."""
    return next((headers[name].strip() for name in HEADERS if headers.get(name)), None)


def in_authorization(authorization: str) -> str | None:
    """The key or token after ``Bearer``, or None for another scheme."""
    return authorization[len(_BEARER) :].strip() if authorization[: len(_BEARER)].lower() == _BEARER else None


def in_query(query: Mapping[str, str]) -> str | None:
    """The key or token in the query string, or None."""
    return next((query[name].strip() for name in PARAMETERS if query.get(name)), None)

"""Errors of AWS that a repetition does not fix."""

from typing import Final

from botocore.exceptions import ClientError

_TRANSIENT: Final = ("Throttl", "TooManyRequests", "RequestLimit", "Internal", "ServiceUnavailable", "Timeout")


def code(error: ClientError) -> str:
    """The code of an error, ``ResourceInUse``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_refusal(error: ClientError) -> bool:
    """Whether the same call would be refused again: it is wrong, not allowed, or beyond a quota."""
    return not any(word in code(error) for word in _TRANSIENT)


def message(error: ClientError) -> str:
    """What AWS says, without a full stop at its end."""
    return str(error.response.get("Error", {}).get("Message", error)).rstrip(". ")

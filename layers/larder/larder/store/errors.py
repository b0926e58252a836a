"""Which keys a store takes, and obstore's exceptions as Larder's."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from larder.errors import Conflict, InvalidRequest, MissingObject, StoreError

MAX_KEY_BYTES: Final = 1024  # S3's own limit, with the store's prefix on top
_NO_BUCKET: Final = "<Code>NoSuchBucket<"
# What a failure's text holds where trying again is no use, and what to do instead.
_HINTS: Final = {
    "/latest/api/token": "there are no credentials, so a server's own were asked for: set AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY (`aws configure export-credentials --format env` prints those of a profile)",
    _NO_BUCKET: "there is no such bucket: check the store's URL",
    "PermanentRedirect": "the bucket is in another region: set AWS_REGION to it",
    "BadScheme": "its endpoint is not https: use http on this machine alone",
}
_SEGMENT = re.compile(r"(?!\.{1,2}(?:/|$))[^/\x00-\x1f\x7f]+")


def check_key(key: str) -> str:
    """Returns ``key``; raises InvalidRequest unless it is ``/``-separated without an empty, ``.`` or ``..`` segment."""
    if len(key.encode(errors="replace")) > MAX_KEY_BYTES or not all(map(_SEGMENT.fullmatch, key.split("/"))):
        raise InvalidRequest(
            f"{key[:80]!r} is no key: use names separated by '/', none of them empty, '.' or '..', "
            f"{MAX_KEY_BYTES} bytes at most."
        )
    return key


def conflict(key: str) -> Conflict:
    """The error of a writer who came second."""
    return Conflict(f"{key} was written by somebody else in the meantime: read it again and decide anew.")


@contextmanager
def translated(key: str) -> Iterator[None]:
    """Raises obstore's exceptions as ours. Theirs name paths and endpoints, so they stay behind as the cause."""
    try:
        yield
    except FileNotFoundError as error:
        if _NO_BUCKET in str(error):
            raise _failed(key, error) from error
        raise MissingObject(f"There is no object {key}: check the name, or upload it.") from error
    except PermissionDeniedError as error:
        raise MissingObject(
            f"{key} is missing, or this role may not read or write it (S3 tells neither from the other): check that it "
            "exists, then that the role's policy allows its prefix."
        ) from error
    except (AlreadyExistsError, PreconditionError) as error:
        raise conflict(key) from error
    except UnauthenticatedError as error:
        raise StoreError("The store refused the credentials: check AWS_ACCESS_KEY_ID and its companions.") from error
    except ValueError as error:  # a key that obstore refuses beyond check_key's rule
        raise InvalidRequest(f"{key[:80]!r} is no key that this store takes: use another name.") from error
    except (BaseError, NotImplementedError, OSError) as error:
        raise _failed(key, error) from error
    except BaseException as error:
        # obstore.get_ranges panics, in place of raising, where it joins ranges and one begins after the object's end.
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise StoreError(f"{key} ends before what was asked of it: check that it was uploaded whole.") from error


def _failed(key: str, error: Exception) -> StoreError:
    text = str(error)
    hint = next((hint for mark, hint in _HINTS.items() if mark in text), "try again in a moment")
    return StoreError(f"The store failed at {key} ({type(error).__name__}): {hint}.")

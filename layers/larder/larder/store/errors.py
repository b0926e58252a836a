"""Checks of keys, and the conversion of obstore's exceptions to Larder's."""

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

MAX_KEY_BYTES: Final = 1024  # S3's limit; the store's prefix adds to it
_NO_BUCKET: Final = "<Code>NoSuchBucket<"
# Parts of error texts for which a retry is useless, and what to do instead.
_HINTS: Final = {
    "/latest/api/token": "no credentials are set: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
    "(`aws configure export-credentials --format env` prints those of a profile)",
    _NO_BUCKET: "the bucket does not exist: check the store's URL",
    "PermanentRedirect": "the bucket is in another region: set AWS_REGION to it",
    "BadScheme": "its endpoint is not https: use http only on this machine",
}
_SEGMENT = re.compile(r"(?!\.{1,2}(?:/|$))[^/\x00-\x1f\x7f]+")


def check_key(key: str) -> str:
    """Return ``key``; raises InvalidRequest unless it is ``/``-separated without empty, ``.`` or ``..`` segments."""
    if len(key.encode(errors="replace")) > MAX_KEY_BYTES or not all(map(_SEGMENT.fullmatch, key.split("/"))):
        raise InvalidRequest(
            f"{key[:80]!r} is not a key: use names separated by '/', none of them empty, '.' or '..', "
            f"at most {MAX_KEY_BYTES} bytes."
        )
    return key


def conflict(key: str) -> Conflict:
    """The error for a lost conditional write."""
    return Conflict(f"Another process has changed {key} meanwhile: read it again, then retry.")


@contextmanager
def translated(key: str) -> Iterator[None]:
    """Raise Larder's exceptions in place of obstore's, which have paths and endpoints and become the cause."""
    try:
        yield
    except FileNotFoundError as error:
        if _NO_BUCKET in str(error):
            raise _failed(key, error) from error
        raise MissingObject(f"The object {key} does not exist: check the name, or upload it.") from error
    except PermissionDeniedError as error:
        raise MissingObject(
            f"{key} is missing, or this role may not read or write it (S3 does not distinguish the two): check that "
            "it exists, then that the role's policy allows its prefix."
        ) from error
    except (AlreadyExistsError, PreconditionError) as error:
        raise conflict(key) from error
    except UnauthenticatedError as error:
        raise StoreError(
            "The store refused the credentials: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN."
        ) from error
    except ValueError as error:  # a key that passes check_key but not obstore
        raise InvalidRequest(f"{key[:80]!r} is not a key that this store accepts: use another name.") from error
    except (BaseError, NotImplementedError, OSError) as error:
        raise _failed(key, error) from error
    except BaseException as error:
        # obstore.get_ranges panics if it joins ranges and one of them begins after the end of the object.
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise StoreError(f"{key} ends before the requested range: check that its upload was complete.") from error


def _failed(key: str, error: Exception) -> StoreError:
    text = str(error)
    hint = next((hint for mark, hint in _HINTS.items() if mark in text), "try again in a moment")
    return StoreError(f"The store failed at {key} ({type(error).__name__}): {hint}.")

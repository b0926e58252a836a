"""The errors that Larder raises, and the HTTP status of each.

::

    LarderError                       500  an error of Larder or its deployment
    ├── RequestError                       an error of the request
    │   ├── InvalidRequest            400  an invalid field, parameter, name or body
    │   ├── Unauthorized              401  no key, or one that is not valid
    │   ├── Forbidden                 403  the key may not do this
    │   ├── NotFound                  404  no such model, release, item, file or object
    │   ├── InvalidState              409  the change does not fit the state of the model
    │   ├── TooLarge                  413  too many bytes, pixels or entries
    │   ├── UnsupportedMedia          415  not a supported image format or content type
    │   ├── UnreadableImage           422  a supported format, but its data do not decode
    │   └── TooManyRequests           429  the key's rate is exceeded
    ├── NotReady                      503  the model exists, but no release is live
    ├── StoreError                    503  the object store refused or did not respond
    │   ├── MissingObject             503  an expected object is missing, or this role may not read it
    │   └── Conflict                  409  a lost conditional write
    ├── FunctionUnavailable           503  another function could not be called
    ├── ReleaseError                  422  a release that must not be served
    │   ├── DamagedRelease            422  a file is missing, or its bytes are not those of the manifest
    │   ├── InvalidManifest           422  its manifest breaks the format; lists every problem
    │   ├── InvalidTable              422  a table's bytes break the format
    │   └── InvalidModel              422  its ONNX graph differs from the manifest, or is unsafe
    ├── InvalidKeys                   500  the document of API keys breaks its format; lists every problem
    └── SettingsError                 500  the function's environment; lists every problem

A message says what is wrong with which value, and ends with what to do. Callers see it unchanged, so it never holds a
secret, a path of this machine or another caller's data.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Literal

Refusal = Literal["missing", "malformed", "unknown", "expired", "signature", "skewed"]
"""Why a request is not authenticated: it has no key; what it has cannot be read; the key does not exist, has another
secret or is revoked; the key, token or signature has expired; the signature is wrong; the clocks differ."""

__all__ = [
    "Conflict",
    "DamagedRelease",
    "Forbidden",
    "FunctionUnavailable",
    "InvalidKeys",
    "InvalidManifest",
    "InvalidModel",
    "InvalidRequest",
    "InvalidState",
    "InvalidTable",
    "LarderError",
    "MissingObject",
    "NotFound",
    "NotReady",
    "ReleaseError",
    "RequestError",
    "SettingsError",
    "StoreError",
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "UnreadableImage",
    "UnsupportedMedia",
]


class LarderError(Exception):
    """The base of all errors.

    Attributes:
        status: The HTTP status.
        code: A stable identifier that programs may branch on.
    """

    status = 500
    code = "internal"

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the response that reports the error."""
        return {}


class RequestError(LarderError):
    """An error of the request: the same request fails again until it is changed."""

    status = 400
    code = "invalid_request"


class InvalidRequest(RequestError):
    """An invalid field, parameter, name or body."""


class Unauthorized(RequestError):
    """No key, or one that is not valid: unknown, expired, revoked or with a wrong signature.

    Attributes:
        reason: Which of these, for protocols that have an error for each.
    """

    status = 401
    code = "unauthorized"

    def __init__(self, message: str, reason: "Refusal" = "missing") -> None:
        super().__init__(message)
        self.reason: Refusal = reason

    @property
    def headers(self) -> Mapping[str, str]:
        """How to send a key."""
        return {"www-authenticate": "Bearer"}


class Forbidden(RequestError):
    """A valid key that may not do this. The same whether the model exists or not."""

    status = 403
    code = "forbidden"


class NotFound(RequestError):
    """No such model, release, item, file or stored image."""

    status = 404
    code = "not_found"


class InvalidState(RequestError):
    """The change does not fit the state of the model, such as removing its live release."""

    status = 409
    code = "invalid_state"


class TooLarge(RequestError):
    """Too many bytes, pixels or entries for one request."""

    status = 413
    code = "too_large"


class UnsupportedMedia(RequestError):
    """The body is not in a supported image format, or its content type is not accepted."""

    status = 415
    code = "unsupported_media"


class UnreadableImage(RequestError):
    """The body is in a supported image format, but its data do not decode."""

    status = 422
    code = "unreadable_image"


class TooManyRequests(RequestError):
    """The key's rate is exceeded.

    Attributes:
        retry_after: How long to wait, in seconds.
    """

    status = 429
    code = "too_many_requests"

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def headers(self) -> Mapping[str, str]:
        """How long to wait, in whole seconds."""
        return {"retry-after": str(max(1, math.ceil(self.retry_after)))}


class NotReady(LarderError):
    """The model exists, but no release of it is live."""

    status = 503
    code = "not_ready"


class StoreError(LarderError):
    """The object store refused, or did not respond."""

    status = 503
    code = "store_unavailable"


class MissingObject(StoreError):
    """An expected object is missing, or this role may not read it (S3 does not distinguish the two)."""

    code = "missing_object"


class Conflict(StoreError):
    """A lost conditional write: the object changed meanwhile, or exists already."""

    status = 409
    code = "conflict"


class FunctionUnavailable(LarderError):
    """Another function could not be called, for a reason that does not concern the release: try again."""

    status = 503
    code = "unanswered"


class ReleaseError(LarderError):
    """A release that must not be served. Never raised for one that passed the rollout's verify step."""

    status = 422
    code = "invalid_release"


class DamagedRelease(ReleaseError):
    """A release with a missing file, or with other bytes than its manifest states. Uploaded intact, it may serve."""

    code = "damaged_release"


class _ProblemList(LarderError):
    """An error that reports all problems at once, one per line."""

    def __init__(self, summary: str, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n- ".join((summary, *self.problems)))


class InvalidManifest(_ProblemList, ReleaseError):
    """A manifest that breaks the format.

    Attributes:
        problems: Each problem, with the field.
    """

    code = "invalid_manifest"


class InvalidTable(ReleaseError):
    """A table whose bytes break the format: header, bounds, order or row width."""

    code = "invalid_table"


class InvalidModel(ReleaseError):
    """An ONNX graph that is unsafe to load, or differs from its manifest."""

    code = "invalid_model"


class InvalidKeys(_ProblemList):
    """A document of API keys that breaks the format.

    Attributes:
        problems: Each problem, with the field.
    """

    code = "invalid_keys"


class SettingsError(_ProblemList):
    """An environment that the function cannot run in.

    Attributes:
        problems: Each problem, with the variable.
    """

    code = "invalid_settings"

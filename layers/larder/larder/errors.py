"""Every error that Larder raises on purpose, and the HTTP status that a caller sees for it.

::

    LarderError                       500  ours
    ├── RequestError                       the caller's, and the caller can mend it
    │   ├── InvalidRequest            400  a field, parameter or body that cannot be meant
    │   ├── NotFound                  404  no such model, release, item, file or object
    │   ├── TooLarge                  413  more bytes, pixels or rows than an answer can take
    │   ├── UnsupportedMedia          415  not an image format (or content type) that is read here
    │   └── UnreadableImage           422  the right format, but its data do not decode
    ├── NotReady                      503  the model exists, but nothing is live yet
    ├── StoreError                    503  the object store refused or did not answer
    │   ├── MissingObject             503  an object that should be there is missing, or may not be read
    │   └── Conflict                  409  a compare-and-swap lost: somebody wrote first
    ├── Unanswered                    503  another function could not be asked, and nothing is decided
    ├── ReleaseError                  422  a release that must not be served
    │   ├── InvalidManifest           422  its manifest breaks the format; lists every problem
    │   ├── InvalidTable              422  a table's bytes break the format
    │   └── InvalidModel              422  the ONNX graph is not what the manifest says, or is unsafe
    └── SettingsError                 500  the function's environment; lists every problem

A message says what is wrong with which value, and ends with what to do. It goes to the caller as it stands, so it
never holds a secret, a path of this machine or another caller's data.
"""

from collections.abc import Iterable

__all__ = [
    "Conflict",
    "InvalidManifest",
    "InvalidModel",
    "InvalidRequest",
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
    "Unanswered",
    "UnreadableImage",
    "UnsupportedMedia",
]


class LarderError(Exception):
    """The root. ``status`` is the HTTP status, ``code`` the stable word that a program may branch on."""

    status = 500
    code = "internal"


class RequestError(LarderError):
    """The caller's mistake: the same request will fail again until it is changed."""

    status = 400
    code = "invalid_request"


class InvalidRequest(RequestError):
    """A field, parameter, name or body that cannot be meant."""


class NotFound(RequestError):
    """No such model, release, item, file or stored image."""

    status = 404
    code = "not_found"


class TooLarge(RequestError):
    """More bytes, pixels or entries than one answer can take."""

    status = 413
    code = "too_large"


class UnsupportedMedia(RequestError):
    """The body is no image format that is read here, or its content type is not accepted."""

    status = 415
    code = "unsupported_media"


class UnreadableImage(RequestError):
    """The body is an image of a known format whose data do not decode."""

    status = 422
    code = "unreadable_image"


class NotReady(LarderError):
    """The model exists, but no release of it is live."""

    status = 503
    code = "not_ready"


class StoreError(LarderError):
    """The object store refused, or did not answer."""

    status = 503
    code = "store_unavailable"


class MissingObject(StoreError):
    """An object that should be there is missing, or this role may not read it (S3 answers both alike)."""

    code = "missing_object"


class Conflict(StoreError):
    """A conditional write lost: the object changed, or exists already."""

    status = 409
    code = "conflict"


class Unanswered(LarderError):
    """Another function could not be asked, for a reason that says nothing about the release: try again."""

    status = 503
    code = "unanswered"


class ReleaseError(LarderError):
    """A release that must not be served. Never raised for one that passed the rollout's verify step."""

    status = 422
    code = "invalid_release"


class _Listed(LarderError):
    """An error that reports all problems at once, one line each."""

    def __init__(self, summary: str, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n- ".join((summary, *self.problems)))


class InvalidManifest(_Listed, ReleaseError):
    """A manifest that breaks the format; ``problems`` names each field that does."""

    code = "invalid_manifest"


class InvalidTable(ReleaseError):
    """A table whose bytes break the format: header, bounds, order or row width."""

    code = "invalid_table"


class InvalidModel(ReleaseError):
    """An ONNX graph that is unsafe to load, or is not what its manifest says."""

    code = "invalid_model"


class SettingsError(_Listed):
    """An environment that the function cannot run in; ``problems`` names each variable."""

    code = "invalid_settings"

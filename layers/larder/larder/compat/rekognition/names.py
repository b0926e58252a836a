"""Projects and project versions as models and releases."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from larder.compat.aws_arns import arn, resource
from larder.errors import InvalidRequest, NotFound
from larder.release.keys import check_model

SERVICE: Final = "rekognition"
NUMBER: Final = 1  # where AWS has a time, which would change an ARN
_NAME: Final = r"[a-zA-Z0-9_.\-]{1,255}"
_PROJECT: Final = re.compile(rf"project/({_NAME})/[0-9]+")
_VERSION: Final = re.compile(rf"project/({_NAME})/version/({_NAME})/[0-9]+")
_RELEASE: Final = re.compile(r"[0-9]{8}t[0-9]{6}z-[0-9a-f]{8}")

ModelOf: TypeAlias = Callable[[str, str | None], str]
"""``ModelService.model_of``."""


@dataclass(frozen=True, slots=True)
class Version:
    """What the ARN of a project version means.

    Attributes:
        model: The model; not checked to exist.
        release: The release that the version's name is, or None for the live one.
    """

    model: str
    release: str | None


def project_model(name: str, model_of: ModelOf) -> str:
    """The model that the ARN of a project means: its alias, else the project's name, which ``check_exists`` checks."""
    match = _PROJECT.fullmatch(resource(name, SERVICE))
    return model_of(name, match[1] if match else None)


def version_of(name: str, model_of: ModelOf) -> Version:
    """What the ARN of a project version means.

    A version that has the form of a release's name is that release. Any other, as AWS has named it, is the live one:
    a client keeps its ARN.
    """
    match = _VERSION.fullmatch(resource(name, SERVICE))
    model = model_of(name, match[1] if match else None)
    return Version(model, release_named(match[2]) if match else None)


def release_named(version: str) -> str | None:
    """The release that a version's name is, or None if it does not have the form of a release's name."""
    return version if _RELEASE.fullmatch(version) else None


def project_arn(model: str) -> str:
    """The ARN of a model."""
    return arn(SERVICE, f"project/{model}/{NUMBER}")


def version_arn(model: str, version: str) -> str:
    """The ARN of a release of a model."""
    return arn(SERVICE, f"project/{model}/version/{version}/{NUMBER}")


def check_exists(model: str) -> None:
    """Raise an error for a name that no model can have. Call it after the caller was authorized.

    Raises NotFound for the name of a project, and InvalidRequest for what is neither an ARN nor an alias.
    """
    try:
        check_model(model)
    except InvalidRequest as error:
        if re.fullmatch(_NAME, model):
            raise NotFound(
                f"Project {model[:80]!r} does not exist: use the name of a model, or set an alias (larder aliases set)."
            ) from error
        raise InvalidRequest(
            f"{model[:80]!r} is not an ARN of this operation: use {arn(SERVICE, 'project/<model>')}/{NUMBER} for a "
            f"project, {arn(SERVICE, 'project/<model>/version/<version>')}/{NUMBER} for a version of it, or an alias."
        ) from error

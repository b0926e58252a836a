"""What ARNs of Personalize mean, and the ARNs by which its operations name models and releases."""

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from larder.compat.aws_arns import arn, resource
from larder.errors import InvalidRequest, NotFound
from larder.release.keys import is_name

SERVICE: Final = "personalize"
CAMPAIGNS: Final = "campaign|recommender"
SOLUTIONS: Final = "solution"
GROUPS: Final = "dataset-group"
RECIPE: Final = f"arn:aws:{SERVICE}:::recipe/larder-recommender"  # as AWS's, of no region and account
_DATASET: Final = re.compile(r"dataset/([^/]+)/([A-Z_]+)")
_VERSION: Final = re.compile(r"solution/([^/]+)/([^/]+)")

ModelOf: TypeAlias = Callable[[str, str | None], str]
"""``ModelService.model_of``."""


def model_named(name: str, kinds: str, model_of: ModelOf) -> str:
    """The model that an ARN means: its alias, else the name behind the kind of resource; else ``name`` itself.

    Args:
        name: The ARN, or an alias.
        kinds: The kinds of resources that the ARN may name, as a regular expression: ``campaign|recommender``.
        model_of: Looks an alias up.

    The model need not exist; see ``check_exists``.
    """
    match = re.fullmatch(rf"(?:{kinds})/([^/]+)", resource(name, SERVICE))
    return model_of(name, match[1] if match else None)


def version_named(name: str, model_of: ModelOf) -> tuple[str, str]:
    """The model, which need not exist, and the release that the ARN of a solution version means.

    Raises InvalidRequest for any other ARN.
    """
    match = _VERSION.fullmatch(resource(name, SERVICE))
    if match is None:
        example = personalize_arn("solution/<model>/<release>")
        raise InvalidRequest(f"{name[:200]!r} is not the ARN of a solution version: use {example}.")
    return model_of(match[1], None), match[2]


def dataset_named(name: str, kind: str, model_of: ModelOf) -> str:
    """The model, which need not exist, that the ARN of a dataset of ``kind`` means: ``dataset/<model>/ITEMS``.

    Raises InvalidRequest for any other ARN.
    """
    match = _DATASET.fullmatch(resource(name, SERVICE))
    if match is None or match[2] != kind:
        example = personalize_arn(f"dataset/<model>/{kind}")
        raise InvalidRequest(f"{name[:200]!r} is not the ARN of a dataset of {kind.lower()}: use {example}.")
    return model_of(name, match[1])


def check_exists(model: str, kinds: str) -> None:
    """Raise NotFound for a name that no model can have. Call it after the caller was authorized."""
    if not is_name(model):
        example = personalize_arn(f"{kinds.partition('|')[0]}/<model>")
        raise NotFound(
            f"{model[:80]!r} does not name a model: use {example}, or set an alias (larder aliases set NAME MODEL)."
        )


def personalize_arn(name: str) -> str:
    """The ARN of a resource."""
    return arn(SERVICE, name)

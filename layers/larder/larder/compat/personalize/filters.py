"""Filters by ARN: stored filters of a model.

The ARNs that Larder gives out are ``filter/<model>/<name>``, since two models may have filters of one name. An ARN as
Personalize gives it, ``filter/<name>``, means the model's own filter of that name.
"""

import re
from typing import Final

from larder.compat.aws_arns import resource
from larder.compat.personalize.names import SERVICE, personalize_arn
from larder.errors import InvalidRequest, NotFound

_FILTER: Final = re.compile(r"(?:filter/(?:([^/]+)/)?)?([^/]+)")


def filter_arn(model: str, name: str) -> str:
    """The ARN of a filter."""
    return personalize_arn(f"filter/{model}/{name}")


def filter_named(name: str) -> tuple[str | None, str]:
    """The model, if the ARN states one, and the name of a filter."""
    match = _FILTER.fullmatch(resource(name, SERVICE))
    if match is None:
        raise InvalidRequest(f"{name[:80]!r} is not the ARN of a filter: use {filter_arn('<model>', '<name>')}.")
    return match[1], match[2]


def filter_of(model: str, name: str) -> str:
    """The name of the filter of ``model`` that an ARN means; raises NotFound if it is one of another model."""
    stated, short = filter_named(name)
    if stated not in (None, model):
        raise NotFound(f"{name[:200]!r} is a filter of another model: use one of model {model!r}.")
    return short

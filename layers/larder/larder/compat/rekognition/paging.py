"""Pages of a list by MaxResults and NextToken."""

import base64
from collections.abc import Sequence
from typing import Final

from larder.compat.aws_errors import AwsError
from larder.compat.parameters import Parameters

_MOST: Final = 100  # the default and the limit


def page(
    parameters: Parameters, names: Sequence[str], *, descending: bool = False
) -> tuple[Sequence[str], dict[str, str]]:
    """The page of sorted names that a request asks for, and ``NextToken`` if there are more.

    A token holds the last name of the page before, so that a list may change between two requests.
    """
    most = parameters.integer("MaxResults", 1, _MOST, _MOST)
    if "NextToken" in parameters:
        last = _decoded(parameters.text("NextToken"))
        names = [name for name in names if (name < last if descending else name > last)]
    more = {"NextToken": base64.urlsafe_b64encode(names[most - 1].encode()).decode()} if len(names) > most else {}
    return names[:most], more


def _decoded(token: str) -> str:
    try:
        return base64.b64decode(token, altchars="-_", validate=True).decode()
    except ValueError as error:
        raise AwsError(
            "InvalidPaginationTokenException", "NextToken is not a token of this service: send it as it was returned."
        ) from error

"""Pages of a list of names, by a number and a token."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from larder.compat.aws_errors import AwsError
from larder.compat.parameters import Parameters

_MOST: Final = 100  # the default and the limit


@dataclass(frozen=True, slots=True)
class Paging:
    """How a service asks for pages.

    Attributes:
        size: The parameter with the number of entries.
        token: The parameter, and the field of the result, with the token of the next page.
        error: The service's exception for an invalid token.
    """

    size: str
    token: str
    error: str

    @property
    def parameters(self) -> tuple[str, str]:
        """The names of both parameters."""
        return self.size, self.token

    def page(
        self, parameters: Parameters, names: Sequence[str], *, descending: bool = False
    ) -> tuple[Sequence[str], dict[str, str]]:
        """The page of sorted names that a request asks for, and the next token if there are more.

        A token holds the last name of the page before, so that a list may change between two requests.
        """
        most = parameters.integer(self.size, 1, _MOST, _MOST)
        if self.token in parameters:
            last = self._decoded(parameters.text(self.token))
            names = [name for name in names if (name < last if descending else name > last)]
        more = {self.token: base64.urlsafe_b64encode(names[most - 1].encode()).decode()} if len(names) > most else {}
        return names[:most], more

    def _decoded(self, token: str) -> str:
        try:
            return base64.b64decode(token, altchars="-_", validate=True).decode()
        except ValueError as error:
            problem = f"{self.token} is not a token of this service: send it as it was returned."
            raise AwsError(self.error, problem) from error

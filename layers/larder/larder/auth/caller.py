"""The caller of a request, as far as their key says."""

from typing import Final, NamedTuple

from larder.auth.scopes import ADMIN, EVENTS, Scope, allow
from larder.errors import Forbidden


class Caller(NamedTuple):
    """Who sent a request.

    Attributes:
        key: The id of their key; None where no key is needed.
        scopes: What they may do.
        default_model: The model that answers where a protocol names none, or None.
    """

    key: str | None
    scopes: tuple[Scope, ...]
    default_model: str | None = None

    def may(self, action: str, model: str | None = None) -> bool:
        """Whether the caller may do ``action`` with ``model``; without a model, with any model at all."""
        return allow(self.scopes, action, model)

    @property
    def is_publishable(self) -> bool:
        """Whether everyone may have the key: it permits to send events, and nothing else."""
        return all(scope.action == EVENTS for scope in self.scopes)

    def check(self, action: str, model: str | None = None) -> None:
        """Raise Forbidden unless they :meth:`may`. The message is the same whether the model exists or not."""
        if not self.may(action, model):
            needed = Scope(action, model) if model else action
            raise Forbidden(f"This key may not do that: it needs the scope {needed}. Ask the key's issuer for it.")


ANYONE: Final = Caller(None, (Scope(ADMIN),))
"""The caller where the front door checks callers, or nothing does."""

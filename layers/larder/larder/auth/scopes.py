"""Scopes: what a key may do, and with which models.

A scope is ``action:model``. The model is a name, the beginning of names and ``*`` (``pets-*``), or ``*`` for all
models; without a model it is ``*``.

=================  =======================================================================
``classify``       label images
``recommend``      recommend, rank and find similar items
``events``         send events of users
``items``          send new items, and columns of known ones
``users``          send profiles of users
``privacy``        export and remove what is stored of users
``models:read``    list and describe models, releases and files
``models:write``   change what is stored beside models: filters and names
``admin``          everything; has no model
=================  =======================================================================
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from larder.errors import InvalidRequest

EVENTS: Final = "events"
ACTIONS: Final = ("classify", "recommend", EVENTS, "items", "users", "privacy", "models:read", "models:write")
ADMIN: Final = "admin"
ALL: Final = "*"
_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


class Scope(NamedTuple):
    """One thing that a key may do.

    Attributes:
        action: One of ``ACTIONS``, or ``ADMIN``.
        model: A model's name, the beginning of names and ``*``, or ``*``.
    """

    action: str
    model: str = ALL

    def __str__(self) -> str:
        if self.action == ADMIN or (self.model == ALL and ":" in self.action):
            return self.action
        return f"{self.action}:{self.model}"

    def allows(self, action: str, model: str | None) -> bool:
        """Whether it permits ``action`` with ``model``; None for a request that is about no single model."""
        if self.action == ADMIN:
            return True
        if self.action != action:
            return False
        if model is None or self.model in (ALL, model):
            return True
        return self.model.endswith(ALL) and model.startswith(self.model[:-1])


def parse_scope(text: str) -> Scope:
    """Read a scope; raises InvalidRequest."""
    if text == ADMIN:
        return Scope(ADMIN)
    action = next((action for action in ACTIONS if text == action or text.startswith(f"{action}:")), None)
    model = text[len(action) + 1 :] if action and text != action else ALL
    if action is None or not _names_models(model):
        raise InvalidRequest(
            f"{text[:80]!r} is not a scope: use {', '.join(f'{known}[:MODEL]' for known in ACTIONS)} or {ADMIN}, "
            "where MODEL is a model's name, the beginning of names and *, or *."
        )
    return Scope(action, model)


def _names_models(text: str) -> bool:
    """Whether ``text`` is a model's name, the beginning of names and ``*``, or ``*``."""
    name = text.removesuffix(ALL)
    if not name:
        return text == ALL
    return len(name) <= 63 and _CHARACTERS.issuperset(name) and name[0] != "-" and (name[-1] != "-" or name != text)


def allow(scopes: Iterable[Scope], action: str, model: str | None) -> bool:
    """Whether one of ``scopes`` permits ``action`` with ``model``."""
    return any(scope.allows(action, model) for scope in scopes)

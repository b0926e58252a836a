"""A bounded set of names, so that a document stays small whatever senders name."""

from larder.events.attribution.document import OTHER


class Names:
    """At most so many names; ``OTHER`` in place of further ones."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def get(self, name: str) -> str:
        """The name, or ``OTHER``."""
        if name not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(name)
        return name

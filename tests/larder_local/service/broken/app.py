"""A handler that does not load."""

raise ValueError("broken on purpose")

"""Cannot be loaded."""

raise ValueError("broken on purpose")

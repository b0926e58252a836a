"""Commands that change which release answers."""

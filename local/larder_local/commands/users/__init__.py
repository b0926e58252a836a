"""``larder users``: one module for each command."""

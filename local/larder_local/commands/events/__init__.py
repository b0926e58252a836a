"""``larder events``: one module for each command."""

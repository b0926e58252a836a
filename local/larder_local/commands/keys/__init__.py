"""The commands that issue, list, revoke and rotate API keys."""

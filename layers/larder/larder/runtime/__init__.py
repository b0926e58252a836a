"""The process a function runs in: its environment and its cold start."""

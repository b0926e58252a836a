"""The process of a function: its settings and its cold start."""

"""Larder compared with other ways to serve the same model and lists: one run, one machine, one core each."""

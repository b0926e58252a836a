"""Larder beside other ways to serve the same model and the same lists: one run, one machine, one core each."""

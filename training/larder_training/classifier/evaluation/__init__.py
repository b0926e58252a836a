"""Evaluation of a release, and of its OOD detector on held-out classes."""

"""Synthetic data sets for demos and tests."""

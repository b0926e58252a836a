"""Offline evaluation through the serving formula, baselines and the comparison with a release."""

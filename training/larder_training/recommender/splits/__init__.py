"""Splits in time, and the evaluation tasks made of them."""

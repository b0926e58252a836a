"""Recommendations from precomputed tables."""

"""Ranking metrics, overall and by group."""

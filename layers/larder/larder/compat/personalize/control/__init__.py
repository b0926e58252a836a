"""Personalize's control plane: models as dataset groups, campaigns, recommenders and solutions.

It also has their filters and event trackers.
"""

"""Personalize's control plane: models as dataset groups, campaigns, recommenders and solutions.

It also has their filters, event trackers and metric attributions.
"""

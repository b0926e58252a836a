"""Personalize's control plane: models as dataset groups, campaigns, recommenders, solutions; and their filters."""

"""Recommender models behind one interface: one module a model, each with its paper."""

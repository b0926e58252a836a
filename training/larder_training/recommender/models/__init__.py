"""Recommender models behind one interface, one module per model."""

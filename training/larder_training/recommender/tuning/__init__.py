"""Hyperparameter search by rolling-origin validation."""

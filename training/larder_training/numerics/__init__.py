"""Numerical kernels independent of the models: sparse and dense products, top-k, memory maps, threads."""

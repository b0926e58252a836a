"""Numerical kernels without knowledge of models: sparse products, top-k, memory maps, threads."""

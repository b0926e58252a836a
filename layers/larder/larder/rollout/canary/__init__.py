"""A canary answers a share of the callers until it is promoted or rejected."""

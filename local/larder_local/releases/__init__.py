"""Releases in the store and on this machine: found by name, listed with their states, published and removed."""

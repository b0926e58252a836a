"""A release: its manifest, its serving section, its keys in the store, and the pointer to it."""

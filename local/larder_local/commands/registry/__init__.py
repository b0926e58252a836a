"""The commands that list, compare and remove releases, and that store filters and aliases beside models."""

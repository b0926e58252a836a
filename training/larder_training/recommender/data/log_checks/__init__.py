"""Checks of an event log before a training: lost rows, its size and times, and ids that meet the metadata."""

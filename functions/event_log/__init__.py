"""The function that writes the log of events, and compacts it."""

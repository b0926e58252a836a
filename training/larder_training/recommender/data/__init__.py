"""The event log and what is derived from it: interactions, feedback, metadata, bot detection."""

"""The function that labels pictures."""

"""The function that recommends."""

"""The function that recommends items."""

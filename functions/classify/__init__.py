"""The function that classifies images."""

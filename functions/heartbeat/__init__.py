"""The function that asks every live model through the public URL."""

"""The function that rolls out an uploaded release."""

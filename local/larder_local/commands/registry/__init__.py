"""The commands that list, publish, roll back and remove releases."""

"""The function that trains models again."""

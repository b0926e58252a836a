"""Release folders: written whole, and read back."""

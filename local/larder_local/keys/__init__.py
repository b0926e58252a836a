"""API keys on the side of who issues them: making, changing and storing them."""

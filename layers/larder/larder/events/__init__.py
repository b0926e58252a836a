"""Live events: what users did since the release was trained, the log of it for training, and new items and users."""

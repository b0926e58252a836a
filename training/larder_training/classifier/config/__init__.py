"""Options of a classifier's training, checked before any data is read."""

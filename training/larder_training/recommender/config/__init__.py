"""Options of a recommender's training, checked before any data is read."""

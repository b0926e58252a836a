"""The files of a recommender's release: tables and golden requests."""

"""The report page of a recommender's release."""

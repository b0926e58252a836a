"""Items that the tables do not know: their columns and scores."""

"""What decides over the items of a response besides their scores: filters and promotions."""

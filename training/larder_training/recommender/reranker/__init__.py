"""The LambdaMART reranker of users' rows."""

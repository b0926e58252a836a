"""A handler that does nothing, to measure AWS's runtime client alone."""


def handler(event: dict, context: object) -> dict:  # noqa: ARG001  Lambda passes two
    """Returns a response without a body."""
    return {"statusCode": 200}

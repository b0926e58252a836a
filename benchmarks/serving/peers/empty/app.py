"""A handler that does nothing: what AWS's runtime client costs alone."""


def handler(event: dict, context: object) -> dict:  # noqa: ARG001  Lambda gives two
    """Answers without a body."""
    return {"statusCode": 200}

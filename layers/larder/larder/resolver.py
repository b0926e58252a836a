"""Powertools' resolver for HTTP APIs, without the rest of powertools.

``aws_lambda_powertools`` imports its logger and metrics, and botocore where that is installed, as it is in Lambda; its
``event_handler`` imports the resolver of every other service, and asyncio with them. None of it has a part in an
answer, and all of it in a cold start. So Python gets to know the two packages here without running their ``__init__``:
their modules are imported by their full names, as ``aws_lambda_powertools.logging`` still can be.
"""

import sys
from importlib.util import find_spec, module_from_spec

for _name in ("aws_lambda_powertools", "aws_lambda_powertools.event_handler"):
    _spec = find_spec(_name)
    if _spec and _name not in sys.modules:  # what somebody imported whole stays whole
        sys.modules[_name] = module_from_spec(_spec)

from aws_lambda_powertools.event_handler.api_gateway import APIGatewayHttpResolver, Response  # noqa: E402  see above

__all__ = ["APIGatewayHttpResolver", "Response"]

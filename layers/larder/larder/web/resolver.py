"""Powertools' resolver for HTTP APIs, without the rest of Powertools.

``aws_lambda_powertools`` imports its logger and metrics, and botocore if it is installed, as in Lambda; its
``event_handler`` imports the resolvers of all services, and asyncio; its ``data_classes`` the events of all services.
No request needs these, but every cold start would load them. So this module registers the packages without running
their ``__init__``, and adds to ``data_classes`` the names that the resolver imports from it. Other modules of
Powertools, such as ``aws_lambda_powertools.logging``, can still be imported by their full names.
"""

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import Final

_EVENTS: Final = "aws_lambda_powertools.utilities.data_classes"
_IMPORTED: Final = {
    "alb_event": ("ALBEvent",),
    "api_gateway_proxy_event": ("APIGatewayProxyEvent", "APIGatewayProxyEventV2"),
    "bedrock_agent_event": ("BedrockAgentEvent",),
    "lambda_function_url_event": ("LambdaFunctionUrlEvent",),
    "vpc_lattice": ("VPCLatticeEvent", "VPCLatticeEventV2"),
}
_OTHERS: Final = {"S3Event": "s3_event"}  # for the events of SQS, in a process that has both
for _name in ("aws_lambda_powertools", "aws_lambda_powertools.event_handler", _EVENTS):
    _spec = find_spec(_name)
    if _spec and _name not in sys.modules:  # a package that is already imported stays as it is
        sys.modules[_name] = module_from_spec(_spec)
for _name, _classes in _IMPORTED.items():
    for _class in _classes:
        setattr(sys.modules[_EVENTS], _class, getattr(import_module(f"{_EVENTS}.{_name}"), _class))


def _other(name: str) -> object:
    """What another module of Powertools imports from ``data_classes``, imported when it is asked for."""
    if name not in _OTHERS:
        raise AttributeError(name)
    return getattr(import_module(f"{_EVENTS}.{_OTHERS[name]}"), name)


if not hasattr(sys.modules[_EVENTS], "S3Event"):
    sys.modules[_EVENTS].__getattr__ = _other  # type: ignore[method-assign]  # PEP 562

from aws_lambda_powertools.event_handler.api_gateway import APIGatewayHttpResolver, Response  # noqa: E402  see above

__all__ = ["APIGatewayHttpResolver", "Response"]

"""Powertools' resolver for HTTP APIs, without the rest of powertools.

``aws_lambda_powertools`` imports its logger and metrics, and botocore where that is installed, as it is in Lambda; its
``event_handler`` imports the resolver of every other service, and asyncio with them; its ``data_classes`` the events of
every service. None of it has a part in an answer, and all of it in a cold start. So Python gets to know these packages
here without running their ``__init__``: modules of powertools are imported by their full names, as
``aws_lambda_powertools.logging`` still can be, and what the resolver asks ``data_classes`` for is put there.
"""

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import Final

_EVENTS: Final = "aws_lambda_powertools.utilities.data_classes"
_ASKED_FOR: Final = {
    "alb_event": ("ALBEvent",),
    "api_gateway_proxy_event": ("APIGatewayProxyEvent", "APIGatewayProxyEventV2"),
    "bedrock_agent_event": ("BedrockAgentEvent",),
    "lambda_function_url_event": ("LambdaFunctionUrlEvent",),
    "vpc_lattice": ("VPCLatticeEvent", "VPCLatticeEventV2"),
}

for _name in ("aws_lambda_powertools", "aws_lambda_powertools.event_handler", _EVENTS):
    _spec = find_spec(_name)
    if _spec and _name not in sys.modules:  # what somebody imported whole stays whole
        sys.modules[_name] = module_from_spec(_spec)
for _name, _classes in _ASKED_FOR.items():
    for _class in _classes:
        setattr(sys.modules[_EVENTS], _class, getattr(import_module(f"{_EVENTS}.{_name}"), _class))

from aws_lambda_powertools.event_handler.api_gateway import APIGatewayHttpResolver, Response  # noqa: E402  see above

__all__ = ["APIGatewayHttpResolver", "Response"]

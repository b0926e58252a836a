"""ARNs: what a client of AWS calls a resource, and what Larder calls its models in answers to it."""

import os
import re
from typing import Final

ACCOUNT: Final = "000000000000"  # no operation depends on the account, which a function does not know
_ARN: Final = re.compile(r"arn:[a-z0-9-]*:([a-z0-9-]*):[a-z0-9-]*:[0-9]*:(.+)", re.DOTALL)


def resource(name: str, service: str) -> str:
    """The resource part of an ARN of ``service``, whatever its partition, region and account; else ``name`` itself."""
    match = _ARN.fullmatch(name)
    return match[2] if match and match[1] == service else name


def arn(service: str, resource: str) -> str:
    """The ARN of a resource of this deployment."""
    region = os.environ.get("AWS_REGION") or "us-east-1"
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{resource}"

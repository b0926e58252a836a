"""``POST /``, which the protocols of two clouds share: a header or a parameter says which of them is meant."""

from types import ModuleType

from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import Problem


def answer(request: Request, service: object) -> Response[str]:
    """Answer by the protocol that the request is in."""
    response: Response[str] = _protocol(request).answer(request, service)
    return response


def format_error(problem: Problem, request: Request) -> Response[str]:
    """The form of an error in that protocol."""
    response: Response[str] = _protocol(request).format_error(problem, request)
    return response


def _protocol(request: Request) -> ModuleType:
    """The module of the protocol: AWS's JSON 1.1 unless the request is one of Alibaba Cloud."""
    if not request.header("x-amz-target"):
        from larder.compat import alibaba

        if alibaba.is_called(request):
            return alibaba
    from larder.compat import aws_json

    return aws_json

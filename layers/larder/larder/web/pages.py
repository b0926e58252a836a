"""Requests from the pages of a shop: keys that everyone can read, and answers that pages of other origins may read.

A page sends events by ``navigator.sendBeacon``, which sets no header: the key is in the query string, and the body is
``text/plain``, so that the browser asks for no permission first.
"""

from collections.abc import Callable
from typing import Final

from larder.auth import Caller
from larder.auth.api_keys import in_query
from larder.errors import Forbidden
from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import Problem, error_response

READABLE: Final = {"access-control-allow-origin": "*"}
"""Headers of an answer that pages of all origins may read."""


def publishable(authenticate: Callable[[Request], Caller]) -> Callable[[Request], Caller]:
    """``authenticate``, which also raises Forbidden for a key in the query string of a page that may do too much.

    Browsers state the page's origin. Who has found such a key can leave that out, so this protects nothing by itself:
    it lets a page with the wrong key fail on its first day, before anyone finds it.
    """

    def checked(request: Request) -> Caller:
        caller = authenticate(request)
        is_exposed = "origin" in request.headers and in_query(request.http.query) is not None
        if is_exposed and caller.key is not None and not caller.is_publishable:
            raise Forbidden(
                "Everyone can read a key in a page, and this one may do more than send events: revoke it by `larder "
                f"keys revoke {caller.key}`, and make one for pages by `larder keys add events:MODEL`."
            )
        return caller

    return checked


def readable_error(problem: Problem, request: Request) -> Response[str]:
    """The response to a problem with a request from a page."""
    response = error_response(problem, request)
    response.headers.update(READABLE)
    return response

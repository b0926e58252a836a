"""InvokeEndpoint for recommenders: below ``/recommenders``, since an endpoint's name does not state its kind."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from larder.compat.sagemaker.errors import format_error, of_the_body
from larder.compat.sagemaker.forms import has_form, read_rows
from larder.compat.sagemaker.invocation import EndpointCall, check_accept, invocation_response
from larder.errors import InvalidRequest, UnsupportedMedia
from larder.recommender import RECOMMEND, Recommender, read_query
from larder.web.request import Request
from larder.web.resolver import Response

if TYPE_CHECKING:
    from larder.recommender.query import Query
    from larder.web.model_service import ModelService

__all__ = ["format_error", "invoke"]

_TYPES: Final = ("application/json", "application/octet-stream", "")

Document = Mapping[str, object]


def invoke(request: Request, service: "ModelService[Recommender]") -> Response[str]:
    """Recommend for the query of the body, or for each of several."""
    invocation = EndpointCall.of(request, service)
    request.authorize(invocation.model)
    with of_the_body():
        queries, several = _queries(request)
    user = None if several else queries[0].user
    loaded = service.loaded(request, invocation.model, release=invocation.release, key=user)
    with of_the_body():
        check_accept(request)
        answers = [loaded.value.recommend(query).document() for query in queries]
    names = {"model": loaded.manifest.model, "release": loaded.manifest.release}
    document: Document = {"predictions": answers} if several else {**names, **answers[0]}
    return invocation_response(request, loaded.manifest, document)


def _queries(request: Request) -> "tuple[list[Query], bool]":
    """The queries of a body, and whether it has a form with several."""
    if request.media_type not in _TYPES:
        raise UnsupportedMedia(
            f"A body of type {request.media_type[:80]!r} is not supported: send the fields of a recommendation as "
            "application/json."
        )
    document = request.json()
    if not has_form(document):
        return [read_query(document, RECOMMEND)], False
    rows, options = read_rows(document)
    return [read_query({**_row(row), **options}, RECOMMEND) for row in rows], True


def _row(row: object) -> Document:
    """A query: an object of fields, or the id of a user."""
    if isinstance(row, str):
        return {"user": row}
    if isinstance(row, dict):
        return row
    raise InvalidRequest(f"An input is {row!r:.40}: send a user's id, or an object such as {{'user': 'u1', 'n': 10}}.")

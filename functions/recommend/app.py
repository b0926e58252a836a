"""Recommend items: the best for a user, the best of a list, those similar to one item, or those that trend."""

from collections.abc import Callable
from typing import Any

from larder.host import ReleaseFiles
from larder.runtime.cold_start import cold_start
from larder.runtime.settings import Settings
from larder.web.model_service import ModelService


def _open_release(files: ReleaseFiles, _: Settings) -> "Recommender":
    from larder.recommender import Recommender  # the thread that preloads may be here before the import below

    return Recommender.open(files)


service = ModelService("recommender", _open_release)

with service.preloading():  # the tables download during these imports
    from larder.compat import routes as compat
    from larder.errors import InvalidRequest, NotFound
    from larder.recommender import (
        RANK,
        RECOMMEND,
        SIMILAR,
        TRENDING,
        Query,
        Recommendations,
        Recommender,
        next_page,
        read_items,
        read_parameters,
        read_query,
        with_expressions,
    )
    from larder.release import routes
    from larder.web.request import Request
    from larder.web.resolver import Response
    from larder.web.responses import json_response
    from larder.web.router import Router

router = Router(service.callers.authenticate)
for route in compat.RECOMMEND:
    router.lazy(route.method, route.path, route.full_target, service, action=route.action)


@router.get(routes.RECOMMEND, action="recommend")
@router.post(routes.RECOMMEND, action="recommend")
def recommend(request: Request) -> Response[str]:
    """The best items for a user, a session or a profile."""
    document = request.json() if request.method == "POST" else read_parameters(request.query)
    query = read_query(document, RECOMMEND)
    return _respond(request, query, Recommender.recommend, explores=True)


@router.post("/v1/models/{model}/rank", action="recommend")
def rank(request: Request) -> Response[str]:
    """The caller's items, best first."""
    document = request.json()
    query, items = read_query(document, RANK), read_items(document)
    return _respond(request, query, lambda recommender, resolved: recommender.rank(resolved, items))


@router.get("/v1/models/{model}/similar/{item+}", action="recommend")
def similar(request: Request) -> Response[str]:
    """The items that are most similar to one item."""
    query = read_query(read_parameters(request.query), SIMILAR, item=request.path_parameter("item"))
    return _respond(request, query, Recommender.similar)


@router.get("/v1/models/{model}/trending", action="recommend")
def trending(request: Request) -> Response[str]:
    """The items whose events grow fastest."""
    query = read_query(read_parameters(request.query), TRENDING)
    model = request.path_parameter("model")
    return _respond(
        request, query, lambda recommender, resolved: recommender.trending(resolved, service.trending(model))
    )


def _respond(
    request: Request,
    query: Query,
    ask: Callable[[Recommender, Query], Recommendations],
    *,
    explores: bool = False,
) -> Response[str]:
    # Without a caller's key, the user's id keeps them on canary or stable, from whichever page they ask.
    model = request.path_parameter("model")
    page = query.page
    release = page.release if page else None
    try:
        loaded = service.loaded(request, model, release=release, key=query.user)
    except NotFound as error:
        if release is None:
            raise
        message = f"The release of next, {release}, is not there any more: begin again with an empty next."
        raise InvalidRequest(message) from error
    named, release = query.filter, loaded.manifest.release
    query = with_expressions(query, lambda name: service.filter_expression(model, name))
    live = service.live_answer(request, query, loaded, explores=explores)
    answer = ask(live.recommender, live.query) if live else ask(loaded.value, query)
    document: dict[str, object] = {"model": model, "release": release}
    if live is not None:
        live.log(answer, named)
        page = live.query.page
        document["recommendation_id"] = live.id
    document |= answer.document()
    if page is not None:
        document["next"] = next_page(page, query.n, release) if answer.more else None
    return json_response(document, model=model, release=release)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda's entry point; events are HTTP requests, see larder.web.http_event."""
    return router.handle(event, context)


cold_start.imported()

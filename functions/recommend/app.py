"""Every way to ask for items: the best for somebody, the best of a list, those like one."""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from larder.host import ModelHost, ReleaseFiles, preload, renew_after_restore
from larder.runtime.cold_start import cold_start
from larder.runtime.settings import Settings
from larder.store import open_store


@cache
def bundle() -> "ModelHost[Recommender]":
    """What the environment names: opened once, kept for all requests."""
    with cold_start.measured("store"):
        given = Settings.from_environment(os.environ)
        store = open_store(given.store)
    return ModelHost(
        store,
        "recommender",
        _open_release,
        cache_dir=given.cache_dir,
        max_bytes=given.cache_bytes,
        refresh_seconds=given.refresh_seconds,
    )


def _open_release(files: ReleaseFiles) -> "Recommender":
    from larder.recommender import Recommender  # while a thread preloads, this is being imported below

    return Recommender.open(files)


preloaded = preload(os.environ, bundle)
renew_after_restore(os.environ, bundle)

# While the store sends the model:
from larder.recommender import (  # noqa: E402
    RANK,
    RECOMMEND,
    SIMILAR,
    Recommendations,
    Recommender,
    read_items,
    read_parameters,
    read_query,
)
from larder.web import router  # noqa: E402
from larder.web.resolver import Response  # noqa: E402

app = router.router()


@app.route("/v1/models/<model>/recommend", method=["GET", "POST"])
def recommend(model: str) -> Response[str]:
    """The best items for a user, a session, a profile."""
    posted = app.current_event.http_method == "POST"
    query = read_query(router.json_body(app) if posted else read_parameters(router.query(app)), RECOMMEND)
    return _reply(model, query.user, lambda opened: opened.recommend(query))


@app.post("/v1/models/<model>/rank")
def rank(model: str) -> Response[str]:
    """The caller's items, best first."""
    query, items = read_query(document := router.json_body(app), RANK), read_items(document)
    return _reply(model, query.user, lambda opened: opened.rank(query, items))


@app.get("/v1/models/<model>/similar/.+")  # the router's own pattern for a name knows no emoji
def similar(model: str) -> Response[str]:
    """The neighbours of one item."""
    item = router.path_parameter(app, "item", app.current_event.path.partition("/similar/")[2])
    query = read_query(read_parameters(router.query(app)), SIMILAR, item=item)
    return _reply(model, None, lambda opened: opened.similar(query))


def _reply(model: str, user: str | None, ask: Callable[[Recommender], Recommendations]) -> Response[str]:
    # A user stays with canary or stable, whichever page he asks from.
    name, key = router.path_parameter(app, "model", model), router.caller_key(app) or user
    served = bundle().get(name, release=router.requested_release(app), key=key)
    items = ask(served.value).document()
    return router.reply({"model": name, "release": served.manifest.release, "items": items}, manifest=served.manifest)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda's entry point; events are those of an API Gateway HTTP API, format 2.0."""
    return router.logged(app, event, context)


preloaded()
cold_start.imported()

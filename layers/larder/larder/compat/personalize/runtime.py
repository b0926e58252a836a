"""Personalize Runtime: recommendations, related items and personalized rankings.

Without ``userId``, GetRecommendations answers with the items related to ``itemId``, and with popular items if the model
does not know it; with ``userId``, by the user's data, and the item counts as the one in view.

Scores are what Personalize documents: the softmax of the model's scores, over the whole catalogue for recommendations,
and over the items of a ranking that the model knows. Related items have none. A softmax is a share of 1 that grows with
the model's score; it is not a measured probability of a click.
"""

import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NoReturn

from larder.compat.aws_errors import request_headers
from larder.compat.parameters import Parameters
from larder.compat.personalize.errors import runtime_error as format_error
from larder.compat.personalize.filters import filter_of
from larder.compat.personalize.names import CAMPAIGNS, check_exists, model_named
from larder.compat.personalize.requests import (
    MetadataColumns,
    check_id,
    read_id,
    read_profile,
    read_values,
    warning_header,
)
from larder.compat.personalize.scores import softmax
from larder.errors import InvalidRequest, NotFound
from larder.recommender import RANK, RECOMMEND, Query, Recommendation, Recommendations, Recommender, read_query
from larder.release.serving import RecommenderServing
from larder.web.model_service import ModelService
from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import json_response

if TYPE_CHECKING:  # imported for deployments that take events only
    from larder.events.live_reader import LiveAnswer

__all__ = ["format_error", "get_action_recommendations", "get_personalized_ranking", "get_recommendations"]

_COMMON: Final = ("campaignArn", "userId", "context", "filterArn", "filterValues", "metadataColumns")
_RECOMMENDATIONS: Final = (*_COMMON, "recommenderArn", "itemId", "numResults", "promotions")
_RANKING: Final = (*_COMMON, "inputList")
_PROMOTION: Final = ("name", "percentPromotedItems", "filterArn", "filterValues")
_MOST: Final = 500
_MOST_WITH_COLUMNS: Final = 50
_DEFAULT: Final = 25
_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}")
_REASONS: Final = {"exploration": "Exploration", "promotion": "Promoted item", "segment": "Popular item"}

Service = ModelService[Recommender]
Document = dict[str, object]


def get_recommendations(request: Request, service: Service) -> Response[str]:
    """GetRecommendations: the best items for a user, or those related to an item."""
    sent = Parameters(request.json(), _RECOMMENDATIONS)
    model = _model(request, service, sent)
    user, item = read_id(sent, "userId"), read_id(sent, "itemId")
    if user is None and item is None:
        raise InvalidRequest("userId and itemId are missing: send one of them, or both.")
    loaded = service.loaded(request, model, key=user)
    serving, warnings = _serving(loaded.manifest.serving), list[str]()
    columns = MetadataColumns.read(sent, serving)
    n = sent.integer("numResults", 0, _MOST_WITH_COLUMNS if columns else _MOST, _DEFAULT)
    document = {
        **_common(service, model, sent, serving, warnings),
        "user": user,
        "item": item,
        "columns": columns.names,
        "n": max(1, n),
        "promotions": [_promotion(service, model, sent) for sent in sent.children("promotions", _PROMOTION, 1)],
    }
    query = read_query(document, RECOMMEND)
    live = service.live_answer(request, query, loaded, explores=user is not None)
    recommender, query = (live.recommender, live.query) if live else (loaded.value, query)
    answer = recommender.recommend(query) if user is not None else _related(recommender, query, warnings)
    answer = replace(answer, items=answer.items[:n])
    items = answer.items
    scores: Sequence[float | None] = [None] * len(items)
    if user is not None:
        totals = answer.totals
        scores = softmax([item.score or 0.0 for item in items], totals.values(), serving.items - len(totals))
    entries = [_item(item, score, columns) for item, score in zip(items, scores, strict=True)]
    warnings += answer.warnings
    return _respond("itemList", entries, model, loaded.manifest.release, warnings, _logged(live, answer))


def get_personalized_ranking(request: Request, service: Service) -> Response[str]:
    """GetPersonalizedRanking: the caller's items, best first; those that the model does not know at the end."""
    sent = Parameters(request.json(), _RANKING)
    model = _model(request, service, sent)
    user = check_id("userId", sent.text("userId"))
    loaded = service.loaded(request, model, key=user)
    serving, warnings = _serving(loaded.manifest.serving), list[str]()
    columns = MetadataColumns.read(sent, serving)
    ids = sent.texts("inputList", _MOST_WITH_COLUMNS if columns else _MOST)
    if not ids:
        raise InvalidRequest("inputList is empty: send the ids of the items to rank.")
    for id_ in ids:
        check_id("An id of inputList", id_)
    document = {**_common(service, model, sent, serving, warnings), "user": user, "columns": columns.names}
    query = read_query(document, RANK)
    live = service.live_answer(request, query, loaded)
    answer = live.recommender.rank(live.query, ids) if live else loaded.value.rank(query, ids)
    scores = [item.score for item in answer.items if item.score is not None]  # unknown items are the last ones
    shares = [*softmax(scores, scores), *[None] * (len(answer.items) - len(scores))]
    entries = [_item(item, share, columns) for item, share in zip(answer.items, shares, strict=True)]
    warnings += answer.warnings
    return _respond("personalizedRanking", entries, model, loaded.manifest.release, warnings, _logged(live, answer))


def get_action_recommendations(request: Request, service: Service) -> NoReturn:  # noqa: ARG001  # as every operation
    """GetActionRecommendations: no model of Larder recommends actions."""
    raise InvalidRequest("Models here recommend items, not actions: call GetRecommendations.")


def _model(request: Request, service: Service, sent: Parameters) -> str:
    """The model of the campaign or the recommender; the caller may use it, whether it exists or not."""
    if "campaignArn" in sent and "recommenderArn" in sent:
        raise InvalidRequest("campaignArn and recommenderArn are both sent: send one of them.")
    name = sent.text("recommenderArn" if "recommenderArn" in sent else "campaignArn")
    model = model_named(name, CAMPAIGNS, service.model_of)
    request.authorize(model)
    check_exists(model, CAMPAIGNS)
    return model


def _serving(serving: object) -> RecommenderServing:
    assert isinstance(serving, RecommenderServing), "the host opens no other kind"  # noqa: S101  # for the type checker
    return serving


def _common(
    service: Service, model: str, sent: Parameters, serving: RecommenderServing, warnings: list[str]
) -> Document:
    """The parts of a native request that both operations have."""
    return {"profile": read_profile(sent, serving, warnings), **_filter(service, model, sent)}


def _filter(service: Service, model: str, sent: Parameters) -> Document:
    values = read_values(sent)
    if "filterArn" not in sent:
        if values:
            raise InvalidRequest(f"{sent.path}filterValues is sent without filterArn: send both, or neither.")
        return {}
    expression = service.filter_expression(model, filter_of(model, sent.text("filterArn")))
    return {"filter": expression, "filter_values": values}


def _promotion(service: Service, model: str, sent: Parameters) -> Document:
    name = sent.text("name")
    if not _NAME.fullmatch(name):
        raise sent.wrong("name", "1 to 63 letters, digits, - and _, with a letter or digit first")
    sent.text("filterArn")  # the items to promote
    percent = sent.integer("percentPromotedItems", 1, 100)
    return {"name": name, "percent": percent, **_filter(service, model, sent)}


def _related(recommender: Recommender, query: Query, warnings: list[str]) -> Recommendations:
    try:
        return recommender.similar(query)
    except NotFound as error:  # Personalize answers with popular items
        warnings.append(str(error))
        return recommender.recommend(query)


def _item(item: Recommendation, score: float | None, columns: MetadataColumns) -> Document:
    document: Document = {"itemId": item.id}
    if score is not None:
        document["score"] = score
    if columns:
        document["metadata"] = columns.metadata(item.columns or {})
    if item.because is not None and (reason := _REASONS.get(item.because.source)):
        document["reason"] = [reason]
    if item.because is not None and item.because.promotion is not None:
        document["promotionName"] = item.because.promotion
    return document


def _logged(live: "LiveAnswer | None", answer: Recommendations) -> str:
    """The id of the recommendation; that of a model that takes events is in its log, with the list."""
    if live is None:
        return str(uuid.uuid4())
    live.log(answer)
    return live.id


def _respond(
    name: str, entries: Sequence[Document], model: str, release: str, warnings: Iterable[str], id_: str
) -> Response[str]:
    document = {name: entries, "recommendationId": id_}
    headers = {**request_headers(), **warning_header(tuple(warnings))}
    return json_response(document, model=model, release=release, headers=headers)

"""The models behind the resources, and what their releases have measured."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from larder.compat.paging import Paging
from larder.compat.parameters import Parameters
from larder.compat.personalize.names import check_exists, model_named, personalize_arn
from larder.errors import InvalidRequest, NotFound
from larder.registry.aliases import Aliases
from larder.registry.documents import documents_of
from larder.registry.search.query import ReleaseQuery
from larder.web.bootstrap import Service
from larder.web.model_service import ModelService
from larder.web.request import Request

READ: Final = "models:read"
WRITE: Final = "models:write"
PAGING: Final = Paging("maxResults", "nextToken", "InvalidNextTokenException")
ACTIVE: Final = "ACTIVE"
_ALL: Final = 100_000  # releases of a model
_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}")
_CUTOFFS: Final = (5, 10, 25)
_METRICS: Final[Mapping[str, str]] = {  # by Personalize's names; the definitions are the same
    **{f"precision_at_{k}": f"precision@{k}" for k in _CUTOFFS},
    **{f"normalized_discounted_cumulative_gain_at_{k}": f"ndcg@{k}" for k in _CUTOFFS},
    "mean_reciprocal_rank_at_25": "mrr@25",
}

Document = Mapping[str, object]
AnyService = Service[Any, Any]
"""The service of the models function, or of another one that reads the same store."""


@dataclass(frozen=True, slots=True)
class Model:
    """A recommender.

    Attributes:
        name: Its name.
        live: The live release, or None.
        created: When that, or without one the newest release, was made, in seconds since 1970; None if unknown.
    """

    name: str
    live: str | None
    created: float | None

    @property
    def dates(self) -> Document:
        """The dates of a resource."""
        return dates(self.created)

    @property
    def group(self) -> str:
        """The ARN of its dataset group."""
        return personalize_arn(f"dataset-group/{self.name}")

    @property
    def solution(self) -> str:
        """The ARN of its solution."""
        return personalize_arn(f"solution/{self.name}")


def check_new_name(sent: Parameters) -> None:
    """Check the name of a resource that is created. It is not kept: the resources of a model have its name."""
    if not _NAME.fullmatch(sent.text("name")):
        raise sent.wrong("name", "1 to 63 letters, digits, - and _, with a letter or digit first")


def dates(seconds: float | None) -> Document:
    """The two dates of a resource; they are equal, since what changes is another release."""
    return {} if seconds is None else {"creationDateTime": seconds, "lastUpdatedDateTime": seconds}


def version_arn(model: str, release: str) -> str:
    """The ARN of a release."""
    return personalize_arn(f"solution/{model}/{release}")


def recommenders(request: Request, service: AnyService) -> dict[str, Model]:
    """The recommenders that the caller may read, by name."""
    request.caller.check(READ)
    document = documents_of(service.store).models(lambda name: request.caller.may(READ, name))
    entries: Sequence[Document] = document["models"]  # type: ignore[assignment]  # a list, by its documentation
    found = (_model(entry) for entry in entries if entry["kind"] == "recommender")
    return {model.name: model for model in sorted(found, key=lambda model: model.name)}


def recommender(request: Request, service: AnyService, arn: str, kinds: str, action: str = READ) -> Model:
    """The recommender that an ARN means, if the caller may do ``action`` with it; raises Forbidden, else NotFound."""
    return existing(request, service, model_named(arn, kinds, model_of(service)), kinds, action)


def selected(request: Request, service: AnyService, sent: Parameters, name: str, kinds: str) -> Mapping[str, Model]:
    """The recommender that the parameter ``name`` names; all that the caller may read if it was not sent."""
    if name not in sent:
        return recommenders(request, service)
    model = recommender(request, service, sent.text(name), kinds)
    return {model.name: model}


def existing(request: Request, service: AnyService, model: str, kinds: str, action: str = READ) -> Model:
    """As ``recommender``, by the model's name."""
    request.caller.check(action, model)
    check_exists(model, kinds)
    document = documents_of(service.store).describe(model)
    if document["kind"] != "recommender":
        raise NotFound(f"Model {model!r} is a classifier: use a model that ListCampaigns lists.")
    return _model(document)


def releases(service: AnyService, model: str, n: int = _ALL) -> Sequence[Document]:
    """The newest ``n`` releases of a model, as ``ModelDocuments.releases`` describes them."""
    entries: Sequence[Document] = documents_of(service.store).releases(model, ReleaseQuery(n))["releases"]  # type: ignore[assignment]  # a list
    return entries


def model_of(service: AnyService) -> Any:  # noqa: ANN401  # a bound method, whose type is names.ModelOf
    """Looks up the model that a name means; aliases are read once for each request, which is rare here."""
    return Aliases(service.store, 0).model


def check_writable(request: Request, service: AnyService) -> None:
    """Raise InvalidRequest in a function whose role must not write."""
    if isinstance(service, ModelService):
        host = request.header("host") or "<address>"
        raise InvalidRequest(
            f"This address only reads: set the client's endpoint_url, or AWS_ENDPOINT_URL_PERSONALIZE, to the address "
            f"with /personalize ({host[:200]}/personalize) to change something."
        )


def metrics(evaluation: Mapping[str, object]) -> dict[str, float]:
    """What a release has measured on its test part, by Personalize's names; nothing that it has not.

    Coverage is the share of the items that are among the 25 best of at least one user of the test.
    """
    measured, coverage = evaluation.get("metrics"), evaluation.get("coverage")
    result: dict[str, float] = {}
    if isinstance(coverage, Mapping) and isinstance(share := coverage.get("larder"), int | float):
        result["coverage"] = share
    for name, own in _METRICS.items():
        value = measured.get(own) if isinstance(measured, Mapping) else None
        mean = value.get("mean") if isinstance(value, Mapping) else None
        if isinstance(mean, int | float):
            result[name] = mean
    return result


def seconds(created: object) -> float | None:
    """A date of a manifest in seconds since 1970."""
    return None if created is None else datetime.fromisoformat(str(created)).timestamp()


def _model(document: Document) -> Model:
    live = document["live"]
    return Model(str(document["model"]), None if live is None else str(live), seconds(document["created"]))

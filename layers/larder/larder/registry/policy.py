"""What a model requires of a new release: ``models/<model>/policy.json``.

It belongs to the model, not to a release. A model without the document has the defaults.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, Literal, cast

from larder.errors import InvalidRequest, MissingObject, StoreError
from larder.release.json_fields import FieldReader
from larder.release.keys import policy_key
from larder.store import Store

FORMAT: Final = 1
NOT_MEASURABLE: Final = ("promote", "reject")
UNDECIDED: Final = ("promote", "reject")
MAX_CANARY_HOURS: Final = 24 * 30
_METRIC: Final = r"[a-z0-9][a-z0-9_@.-]{0,62}"

NotMeasurable = Literal["promote", "reject"]
Undecided = Literal["promote", "reject"]


@dataclass(frozen=True, slots=True)
class RolloutPolicy:
    """The policy of one model.

    Attributes:
        metric: The metric that decides, as the manifest's evaluation names it; None: the headline, ``accuracy`` or
            ``recall@20``.
        margin: By how much a new release may be worse, in units of the metric: it is rejected if the 95 % interval of
            the difference is below minus the margin.
        not_measurable: What becomes of a release that was not compared with the live one on the same data, and is not
            clearly worse on its own: ``promote`` or ``reject``.
        keep: How many of the newest releases stay when a new one has gone live, besides those that the pointer names;
            None: all.
        canary: The percentage of callers that a checked release answers before it is promoted; 0: it is promoted at
            once.
        canary_hours: How many hours a canary is watched at most.
        undecided: What becomes of a canary after these hours if no metric is surely worse, and not each is surely fine:
            ``promote``, unless what was measured of a metric is beyond its margin; or ``reject``.
        approval: Whether a checked release waits until a person promotes it.
        errors_margin: By how much the canary's share of failed requests may be larger than the live release's.
        latency_margin: By how much its typical latency may be larger, as a share of the live release's.
        unknown_margin: By how much its share of answers ``unknown`` may be larger.
    """

    metric: str | None = None
    margin: float = 0.0
    not_measurable: NotMeasurable = "promote"
    keep: int | None = None
    canary: int = 0
    canary_hours: float = 24.0
    undecided: Undecided = "promote"
    approval: bool = False
    errors_margin: float = 0.005
    latency_margin: float = 0.1
    unknown_margin: float = 0.05


DEFAULT_POLICY: Final = RolloutPolicy()


def read_policy(store: Store, model: str) -> tuple[RolloutPolicy, str | None]:
    """The policy of a model, and the ETag of its document, None if there is none.

    Raises StoreError if the store fails or the document breaks the format.
    """
    try:
        blob = store.get(policy_key(model))
    except MissingObject:
        return DEFAULT_POLICY, None
    return _parse(blob.data, model), blob.etag


def write_policy(store: Store, model: str, policy: RolloutPolicy, etag: str | None) -> None:
    """Replace the policy of a model; raises Conflict if another writer came first."""
    data = json.dumps({"format": FORMAT, **asdict(policy)}, indent=2) + "\n"
    store.put(policy_key(model), data.encode(), etag=etag, create=etag is None)


def changed_policy(policy: RolloutPolicy, changes: Mapping[str, object]) -> RolloutPolicy:
    """``policy`` with the fields of ``changes``; raises InvalidRequest with each invalid or unknown field."""
    fields = FieldReader({**asdict(policy), **changes})
    changed = _read(fields)
    if fields.problems:
        raise InvalidRequest(f"The policy is invalid: {'; '.join(fields.problems)}.")
    return changed


def _parse(data: bytes, model: str) -> RolloutPolicy:
    key = policy_key(model)
    remedy = f"remove it and set it again: larder policy {model}"
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{key} is not JSON ({error}): {remedy}.") from error
    # A document of an earlier version lacks the fields that came later, and means their defaults.
    fields = FieldReader({**asdict(DEFAULT_POLICY), **document} if isinstance(document, dict) else document)
    if fields.integer("format") != FORMAT:
        raise StoreError(f"{key} has another format than {FORMAT}: use a newer version of Larder.")
    policy = _read(fields)
    if fields.problems:
        raise StoreError(f"{key} is not valid ({'; '.join(fields.problems)}): {remedy}.")
    return policy


def _read(fields: FieldReader) -> RolloutPolicy:
    policy = RolloutPolicy(
        metric=fields.text("metric", _METRIC) if fields.has("metric") else None,
        margin=fields.number("margin", 0.0),
        not_measurable=cast("NotMeasurable", fields.choice("not_measurable", NOT_MEASURABLE)),
        keep=fields.integer("keep", 1) if fields.has("keep") else None,
        canary=fields.integer("canary", 0, 99),
        canary_hours=fields.number("canary_hours", 0.0, MAX_CANARY_HOURS),
        undecided=cast("Undecided", fields.choice("undecided", UNDECIDED)),
        approval=fields.boolean("approval"),
        errors_margin=fields.number("errors_margin", 0.0, 1.0),
        latency_margin=fields.number("latency_margin", 0.0),
        unknown_margin=fields.number("unknown_margin", 0.0, 1.0),
    )
    fields.finish()
    return policy

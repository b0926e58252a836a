"""What a caller asks of a list of releases, read from the parameters of a request."""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

from larder.errors import InvalidRequest
from larder.release.keys import check_release
from larder.release.manifest import Manifest
from larder.release.pointer import Pointer
from larder.release.quality import quality

Order = Literal["newest", "oldest", "best", "worst"]
PARAMETERS: Final = (
    "n",
    "next",
    "order",
    "state",
    "from",
    "to",
    "text",
    "parent",
    "metric",
    "above",
    "below",
    "training",
)
ROLES: Final = frozenset({"live", "canary", "previous"})
STATES: Final = ROLES | {"rejected", "damaged", "stored"}
DEFAULT_LISTED: Final = 25
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?")
_AFTER_ALL: Final = "~"  # sorts after each character of a release's name


@dataclass(frozen=True, slots=True)
class ReleaseQuery:
    """Which releases of a model, and in which order.

    Attributes:
        n: The most releases of one page.
        next: The last release of the page before; None for the first page.
        order: By time, or by ``metric``.
        state: Only releases in this state; None for all.
        first: Names from this one on; names sort by time.
        last: Names up to this one.
        text: What the name contains.
        parent: The release that the training went on from.
        metric: The metric of ``above``, ``below`` and ``order``; None for the headline of the evaluation.
        above: The least value of the metric.
        below: The largest value of the metric.
        training: A path into the manifest's ``training``, such as ``hyperparameters.half_life``, and its value as text.
    """

    n: int = DEFAULT_LISTED
    next: str | None = None
    order: Order = "newest"
    state: str | None = None
    first: str = ""
    last: str = _AFTER_ALL
    text: str = ""
    parent: str | None = None
    metric: str | None = None
    above: float = -math.inf
    below: float = math.inf
    training: tuple[str, str] | None = None

    @property
    def is_by_metric(self) -> bool:
        """Whether the releases are in the order of a metric."""
        return self.order in ("best", "worst")

    @property
    def is_filtered(self) -> bool:
        """Whether it may leave out a release."""
        return self != ReleaseQuery(self.n, self.next, self.order, metric=self.metric)

    def candidates(self, names: list[str], pointer: Pointer | None) -> list[str]:
        """The names that may match, in the order of time; from the sorted ``names`` and the pointer alone."""
        start, stop = bisect_left(names, self.first), bisect_right(names, self.last)
        if self.next is not None and self.order == "oldest":
            start = max(start, bisect_right(names, self.next))
        elif self.next is not None and self.order == "newest":
            stop = min(stop, bisect_left(names, self.next))
        found = names[start:stop]
        if self.text:
            found = [name for name in found if self.text in name]
        if self.state in ROLES:
            found = [name for name in found if pointer is not None and pointer.role(name) == self.state]
        return found if self.order == "oldest" else found[::-1]

    def matches(self, state: object, manifest: Manifest | None) -> bool:
        """Whether a release in ``state`` matches; a manifest that cannot be read (None) matches no condition on it."""
        if self.state is not None and state != self.state:
            return False
        asks_manifest = self.is_by_metric or self.parent is not None or self.training is not None
        if not asks_manifest and self.above == -math.inf and self.below == math.inf:
            return True
        return manifest is not None and self._matches_manifest(manifest)

    def value(self, manifest: Manifest) -> float | None:
        """The metric's value; None if the manifest does not state it."""
        stated = quality(manifest, self.metric)
        return None if stated is None else stated.score.value

    def _matches_manifest(self, manifest: Manifest) -> bool:
        if self.parent is not None and self.parent != _at(manifest.training, "parent.release"):
            return False
        if self.training is not None:
            path, wanted = self.training
            if not _equal(_at(manifest.training, path), wanted):
                return False
        if not self.is_by_metric and self.above == -math.inf and self.below == math.inf:
            return True
        value = self.value(manifest)
        return value is not None and self.above <= value <= self.below


def read_query(parameters: Mapping[str, str], n: int) -> ReleaseQuery:
    """The query of a request's parameters; raises InvalidRequest."""
    order, state = parameters.get("order", "newest"), parameters.get("state")
    if order not in get_args(Order):
        raise InvalidRequest(f"order is {order[:20]!r}: send {', '.join(get_args(Order))}.")
    if state is not None and state not in STATES:
        raise InvalidRequest(f"state is {state[:20]!r}: send one of {', '.join(sorted(STATES))}.")
    after, parent = parameters.get("next"), parameters.get("parent")
    return ReleaseQuery(
        n=n,
        next=None if after is None else check_release(after),
        order=cast("Order", order),
        state=state,
        first=_name_of_time(parameters, "from"),
        last=_name_of_time(parameters, "to") + _AFTER_ALL,
        text=parameters.get("text", ""),
        parent=None if parent is None else check_release(parent),
        metric=parameters.get("metric"),
        above=_number(parameters, "above", -math.inf),
        below=_number(parameters, "below", math.inf),
        training=_training(parameters.get("training")),
    )


def _name_of_time(parameters: Mapping[str, str], name: str) -> str:
    """What the names of releases of this time begin with."""
    text = parameters.get(name)
    if text is None:
        return ""
    if not _TIME.fullmatch(text):
        raise InvalidRequest(f"{name} is {text[:30]!r}: send a date or a time in UTC such as 2026-01-02T03:04:05Z.")
    return text.replace("-", "").replace(":", "").lower()


def _number(parameters: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(parameters.get(name, default))
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise InvalidRequest(f"{name} is {parameters[name][:20]!r}: send a number.")
    return value


def _training(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    path, separator, value = text.partition("=")
    if not (path and separator):
        raise InvalidRequest(f"training is {text[:60]!r}: send a path and a value, such as hyperparameters.weight=2.")
    return path, value


def _at(document: Mapping[str, object], path: str) -> object:
    """The value at a path of names with dots between them; None if there is none."""
    value: object = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _equal(value: object, text: str) -> bool:
    """Whether a value of JSON is what ``text`` says; ``0.50`` is 0.5."""
    if isinstance(value, bool) or value is None:
        return text == {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int | float):
        try:
            return float(text) == value
        except ValueError:
            return False
    return isinstance(value, str) and value == text

"""A release's golden requests, put to whatever will serve it: the rollout's last check."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from larder.errors import ReleaseError
from larder.release.keys import file_key
from larder.release.manifest import PROBES, Manifest
from larder.release.serving import ClassifierServing
from larder.store import Store
from larder.tables import Header, Strings, parse_header

# Puts one golden request, a body of POST .../classify or .../recommend, to the release, and returns the JSON document
# of the answer; a classifier names every label. Raises ReleaseError where the release has no answer, and StoreError or
# FunctionUnavailable where that says nothing about the release.
SendRequest: TypeAlias = Callable[[Manifest, bytes], Mapping[str, Any]]

# int8 kernels of different CPUs round differently; a graph that is wrong differs by far more.
_TOLERANCE: Final = 0.02
_MAX_BYTES: Final = 64 * 2**20  # some dozen photos have one or two


def prober(store: Store, ask: SendRequest) -> Callable[[Manifest], None]:
    """The check that ``roll_out`` takes: ``probe`` of the releases in ``store``, with what ``ask`` answers."""
    return partial(probe, store, ask)


def probe(store: Store, ask: SendRequest, found: Manifest) -> None:
    """Puts each golden request of a verified release; raises ReleaseError for any answer but the golden one.

    A classifier's probabilities may differ by 0.02, since CPUs round differently; a recommender's items may not.
    """
    size = found.files[PROBES].bytes
    if size > _MAX_BYTES:
        raise ReleaseError(f"{PROBES} has {size} bytes; the limit is {_MAX_BYTES}: train with smaller photos.")
    data = memoryview(store.get(file_key(found.model, found.release, PROBES)).data)
    header = parse_header(data, len(data), PROBES)
    requests = Strings(data, header, "request")
    compare = _probabilities if isinstance(found.serving, ClassifierServing) else _items
    differs = compare(found, data, header)
    for number in range(len(requests)):
        difference = differs(number, ask(found, requests[number]))
        if difference is not None:
            raise ReleaseError(f"Probe {number} {difference}")


_Differs: TypeAlias = Callable[[int, Mapping[str, Any]], str | None]


def _probabilities(found: Manifest, data: memoryview, header: Header) -> _Differs:
    labels = found.serving.labels if isinstance(found.serving, ClassifierServing) else ()
    tensor = header.tensor("probabilities", "F32", (None, len(labels)))
    expected = data[tensor.start : tensor.end].cast("f")

    def differs(number: int, document: Mapping[str, Any]) -> str | None:
        answered = {label["name"]: label["confidence"] for label in document["labels"]}
        for place, name in enumerate(labels):
            golden = expected[number * len(labels) + place]
            if not abs(answered[name] - golden) <= _TOLERANCE:  # so that NaN differs too
                return (
                    f"gives {name!r} {answered[name]:.3f} in place of {golden:.3f}: train a new release on a machine "
                    "like the one that serves."
                )
        return None

    return differs


def _items(_: Manifest, data: memoryview, header: Header) -> _Differs:
    answers = Strings(data, header, "answer")

    def differs(number: int, document: Mapping[str, Any]) -> str | None:
        if [item["id"] for item in document["items"]] != json.loads(answers[number]):
            return "gives other items than the training wrote down: train a new release."
        return None

    return differs

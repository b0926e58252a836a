"""Send a release's golden requests to the code that will serve it, and compare the responses: the last check."""

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

# Sends one golden request, a body of POST .../classify or .../recommend, to a release, and returns the JSON response;
# that of a classifier has all labels. Raises ReleaseError if the release fails, and StoreError or FunctionUnavailable
# if the failure does not concern the release.
SendRequest: TypeAlias = Callable[[Manifest, bytes], Mapping[str, Any]]

# int8 kernels of different CPUs round differently; a wrong graph differs by far more.
_TOLERANCE: Final = 0.02
_MAX_BYTES: Final = 64 * 2**20  # a few dozen images take one or two MiB


def prober(store: Store, send: SendRequest) -> Callable[[Manifest], None]:
    """The check that ``roll_out`` takes: ``probe`` of releases in ``store``, by ``send``."""
    return partial(probe, store, send)


def probe(store: Store, send: SendRequest, manifest: Manifest) -> None:
    """Send each golden request of a verified release; raises ReleaseError for a response that is not the golden one."""
    golden = GoldenRequests.read(store, manifest)
    for number in range(len(golden)):
        difference = golden.difference(number, send(manifest, golden.request(number)))
        if difference is not None:
            raise ReleaseError(f"Golden request {number} {difference}")


class GoldenRequests:
    """The golden requests of a release, and what it answered to them in training.

    The probabilities of a classifier may differ by 0.02, since CPUs round differently; the items of a recommender must
    be the same.
    """

    def __init__(self, requests: Strings, difference_of: "_DifferenceOf") -> None:
        self._requests = requests
        self._difference_of = difference_of

    @classmethod
    def read(cls, store: Store, manifest: Manifest) -> "GoldenRequests":
        """Those of a release in ``store``; raises ReleaseError if there are too many, InvalidTable, or StoreError."""
        size = manifest.files[PROBES].bytes
        if size > _MAX_BYTES:
            raise ReleaseError(f"{PROBES} has {size} bytes; the limit is {_MAX_BYTES}: train with smaller images.")
        data = memoryview(store.get(file_key(manifest.model, manifest.release, PROBES)).data)
        header = parse_header(data, len(data), PROBES)
        compare = _compare_probabilities if isinstance(manifest.serving, ClassifierServing) else _compare_items
        return cls(Strings(data, header, "request"), compare(manifest, data, header))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._requests)

    def request(self, number: int) -> bytes:
        """The body of one request."""
        return self._requests[number]

    def difference(self, number: int, document: Mapping[str, Any]) -> str | None:
        """How the response to request ``number`` differs from the golden one, as a sentence's end; None if not.

        Raises KeyError or TypeError for a document of another form than such a response.
        """
        return self._difference_of(number, document)


_DifferenceOf: TypeAlias = Callable[[int, Mapping[str, Any]], str | None]


def _compare_probabilities(manifest: Manifest, data: memoryview, header: Header) -> _DifferenceOf:
    labels = manifest.serving.labels if isinstance(manifest.serving, ClassifierServing) else ()
    tensor = header.tensor("probabilities", "F32", (None, len(labels)))
    expected = data[tensor.start : tensor.end].cast("f")

    def difference(number: int, document: Mapping[str, Any]) -> str | None:
        confidences = {label["name"]: label["confidence"] for label in document["labels"]}
        for index, name in enumerate(labels):
            golden = expected[number * len(labels) + index]
            if not abs(confidences[name] - golden) <= _TOLERANCE:  # true for NaN too
                return (
                    f"has {name!r} at {confidences[name]:.3f} in place of {golden:.3f}: train a new release on a "
                    "machine like the one that serves."
                )
        return None

    return difference


def _compare_items(_: Manifest, data: memoryview, header: Header) -> _DifferenceOf:
    golden = Strings(data, header, "answer")

    def difference(number: int, document: Mapping[str, Any]) -> str | None:
        if [item["id"] for item in document["items"]] != json.loads(golden[number]):
            return "has other items than in training: train a new release."
        return None

    return difference

"""Two releases of a model side by side, as a JSON document: quality, labels or items, size."""

from collections.abc import Collection, Iterable
from typing import Final

from larder.errors import InvalidRequest
from larder.registry.registry import Registry
from larder.release.comparison import compare
from larder.release.manifest import Manifest
from larder.release.quality import quality
from larder.release.serving import ClassifierServing
from larder.store import StoreReader
from larder.tables.vocabulary import Vocabulary

EXAMPLES: Final = 20
MAX_ITEMS: Final = 200_000
"""The most items that are compared one by one: a function answers within seconds."""
_ITEMS: Final = "items.safetensors"

Document = dict[str, object]


def comparison_document(registry: Registry, new: Manifest, base: Manifest, metric: str | None) -> Document:
    """Compare a release with a base.

    Args:
        registry: Where both are stored.
        new: The manifest of the release.
        base: The manifest of what it is compared with.
        metric: The metric; None for the headline of their evaluations.

    Returns:
        ``release`` and ``base``, each with ``quality``, ``bytes`` and ``created``; ``quality``, the comparison of the
        gate; and ``labels`` or ``items`` with ``before``, ``after``, the numbers ``added`` and ``removed``, and some of
        them. The numbers are null if there are too many items to compare.

    Raises:
        InvalidRequest: One is a classifier and the other a recommender.
        StoreError, InvalidTable: The items cannot be read.
    """
    if new.kind != base.kind:
        raise InvalidRequest(f"{new.release} is a {new.kind} and {base.release} is a {base.kind}: compare two alike.")
    found = compare(new, base, metric)
    return {
        "model": new.model,
        "release": new.release,
        "base": base.release,
        "releases": {entry.release: _summary(entry, metric) for entry in (new, base)},
        "quality": {
            "evidence": found.evidence,
            "how": found.how,
            "difference": found.difference,
            "interval": None if found.low is None else [found.low, found.high],
            "worse": found.worse(),
        },
        **_contents(registry, new, base),
    }


def _summary(manifest: Manifest, metric: str | None) -> Document:
    stated = quality(manifest, metric)
    return {
        "created": manifest.created,
        "bytes": sum(file.bytes for file in manifest.files.values()),
        "quality": None if stated is None else stated.document(),
    }


def _contents(registry: Registry, new: Manifest, base: Manifest) -> Document:
    if isinstance(new.serving, ClassifierServing) and isinstance(base.serving, ClassifierServing):
        return {"labels": _difference(new.serving.labels, base.serving.labels)}
    assert not isinstance(new.serving, ClassifierServing)  # noqa: S101  # the kinds are equal
    assert not isinstance(base.serving, ClassifierServing)  # noqa: S101
    if max(new.serving.items, base.serving.items) > MAX_ITEMS:
        unknown: Document = {"added": None, "removed": None, "some_added": [], "some_removed": []}
        return {"items": {"before": base.serving.items, "after": new.serving.items, **unknown}}
    return {"items": _difference(_items(registry, new), _items(registry, base))}


def _items(registry: Registry, manifest: Manifest) -> list[str]:
    key = registry.file_key(manifest.model, manifest.release, _ITEMS)
    vocabulary = Vocabulary.open(StoreReader(registry.store, key, manifest.files[_ITEMS].bytes))
    return [vocabulary.id(number) for number in range(len(vocabulary))]


def _difference(after: Collection[str], before: Collection[str]) -> Document:
    added, removed = _without(after, before), _without(before, after)
    return {
        "before": len(before),
        "after": len(after),
        "added": len(added),
        "removed": len(removed),
        "some_added": added[:EXAMPLES],
        "some_removed": removed[:EXAMPLES],
    }


def _without(texts: Iterable[str], others: Collection[str]) -> list[str]:
    known = frozenset(others)
    return [text for text in texts if text not in known]

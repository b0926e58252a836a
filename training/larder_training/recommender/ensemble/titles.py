"""The models that an ensemble is made of, as the field names them; the manifest and ``--without`` have short names."""

from collections.abc import Mapping, Sequence
from typing import Final

TITLES: Final[Mapping[str, str]] = {
    "item_knn": "item kNN",
    "ease": "EASE",
    "co_visitation": "co-visitation",
    "pure_svd": "PureSVD",
    "als": "ALS",
    "bpr": "BPR",
    "user_ease": "user EASE",
}


def model_title(name: object) -> str:
    """The title of a model, or of a sum of models: ``item_knn + bpr``; any other text as it is."""
    return " + ".join(TITLES.get(part, part) for part in str(name).split(" + "))


def with_titles(value: object) -> object:
    """A JSON document in which the names of models, as keys and as values, are their titles."""
    if isinstance(value, Mapping):
        return {model_title(name): with_titles(part) for name, part in value.items()}
    if isinstance(value, str):
        return model_title(value)
    return [with_titles(part) for part in value] if isinstance(value, Sequence) else value

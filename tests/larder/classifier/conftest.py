"""The toy classifier."""

from tests.toys.digits import ask, graph, photo, publish, serving, store

__all__ = ["ask", "graph", "photo", "publish", "serving", "store"]

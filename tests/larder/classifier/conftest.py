"""The toy classifier."""

from tests.toys.digits import ask, graph, make_image_fixture, publish, serving, store

__all__ = ["ask", "graph", "make_image_fixture", "publish", "serving", "store"]

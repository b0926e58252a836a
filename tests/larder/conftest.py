"""The toy shop, which the tests of several packages of serving use."""

from tests.toys.shop import open_shop, shop, write_shop

__all__ = ["open_shop", "shop", "write_shop"]

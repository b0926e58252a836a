"""The toy shop."""

from tests.toys.shop import open_shop, shop, write_shop

__all__ = ["open_shop", "shop", "write_shop"]

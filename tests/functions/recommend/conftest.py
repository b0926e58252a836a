"""The fixtures of the code behind the handler serve its handler too."""

from tests.larder.recommender.conftest import open_shop, shop, write_shop

__all__ = ["open_shop", "shop", "write_shop"]

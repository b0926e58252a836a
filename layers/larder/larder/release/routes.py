"""The routes that answer from a release, and the headers that name a release, as the HTTP API has them."""

from collections.abc import Mapping
from typing import Final

from larder.release.manifest import Kind

RELEASE_HEADER: Final = "x-larder-release"  # in a request: the release to ask; in a response: the one that answered
MODEL_HEADER: Final = "x-larder-model"
KEY_HEADER: Final = "x-larder-key"  # keeps a caller on the canary or on the stable release

CLASSIFY: Final = "/v1/models/{model}/classify"
RECOMMEND: Final = "/v1/models/{model}/recommend"
MODEL_ROUTES: Final[Mapping[Kind, str]] = {"classifier": CLASSIFY, "recommender": RECOMMEND}
"""By the kind of a model, the route that asks it; both take a POST."""
MODEL_ACTIONS: Final[Mapping[Kind, str]] = {"classifier": "classify", "recommender": "recommend"}
"""By the kind of a model, what that route does, as scopes of keys name it."""

"""The service of a function that takes events: the models of a store, and what takes what they are sent."""

from typing import TYPE_CHECKING

from larder.errors import Forbidden, InvalidRequest
from larder.events.intake import Intake
from larder.host import ReleaseFiles
from larder.host.release_cache import LoadedRelease
from larder.recommender import Recommender
from larder.release.keys import check_model
from larder.release.serving import RecommenderServing
from larder.runtime.settings import Settings
from larder.web.model_service import ModelService
from larder.web.request import Request

if TYPE_CHECKING:  # few requests need it, so a cold start does not load it
    from larder.events.privacy import Privacy


def _open_release(files: ReleaseFiles, _: Settings) -> Recommender:
    return Recommender.open(files)


class EventService(ModelService[Recommender]):
    """The recommenders of the store that the environment names, and the intake of their events. Thread-safe."""

    def __init__(self) -> None:
        """Define the service; nothing is read before its first use."""
        super().__init__("recommender", _open_release)
        self._intake: Intake | None = None
        self._users: Privacy | None = None

    @property
    def intake(self) -> Intake:
        """What takes events, items and users; raises SettingsError or StoreError."""
        if self._intake is None:
            self._intake = Intake(self.store, self.settings)
        return self._intake

    @property
    def users(self) -> "Privacy":
        """What exports and removes users; raises SettingsError, StoreError, or NotFound without live events."""
        if self._users is None:
            from larder.events.privacy import Privacy

            self._users = Privacy(self.store, self.intake.live)
        return self._users

    def users_models(self, request: Request) -> list[str]:
        """The models of a request about a user: the one that it names, or all that may have data of users.

        Raises Forbidden unless the caller may use each of them.
        """
        named = request.query.get("model")
        if named is not None:
            request.authorize(check_model(named))
            return [named]
        models = self.users.models()
        if not all(request.caller.may(request.action, model) for model in models):
            raise Forbidden(
                f"This key may not do that for every model: name one by ?model=, or use a key with the "
                f"scope {request.action}."
            )
        return models

    def release(self, request: Request, model: str) -> tuple[LoadedRelease[Recommender], RecommenderServing]:
        """The release that has the columns of items and users; raises as ``loaded``, and for a classifier."""
        loaded = self.loaded(request, model)
        serving = loaded.manifest.serving
        if not isinstance(serving, RecommenderServing):
            raise InvalidRequest(
                f"Model {model!r} is a classifier, which takes no items: use the name of a recommender."
            )
        return loaded, serving

    def reset(self) -> None:
        """Forget the store and what was read from it. For tests."""
        super().reset()
        self._intake = None
        self._users = None

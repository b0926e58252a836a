"""``itemExplorationConfig`` of a campaign: the settings of exploration of a model that takes events, as texts."""

from dataclasses import replace
from typing import Final

from larder.compat.parameters import Parameters
from larder.compat.personalize.control.models import AnyService, Document, Model
from larder.errors import InvalidRequest
from larder.events.settings import EventSettings, change_settings, read_settings

CONFIG: Final = "itemExplorationConfig"
_WEIGHT: Final = "explorationWeight"
_AGE: Final = "explorationItemAgeCutOff"


def exploration_config(service: AnyService, model: Model) -> Document:
    """The part of a campaign's configuration; empty for a model that takes no events, which explores nothing."""
    settings, _ = read_settings(service.store, model.name)
    if not settings.enabled:
        return {}
    return {CONFIG: {_WEIGHT: str(settings.exploration_weight), _AGE: str(settings.exploration_days)}}


def change_exploration(service: AnyService, model: Model, config: Parameters) -> None:
    """Change what a campaign's configuration states; the other settings stay."""
    sent = config.child(CONFIG, (_WEIGHT, _AGE))
    if not sent.values:
        return
    weight, days = _weight(sent), _days(sent)

    def changed(settings: EventSettings) -> EventSettings:
        if not settings.enabled:
            raise InvalidRequest(
                f"Model {model.name!r} takes no events, and explores nothing: CreateEventTracker turns them on."
            )
        return replace(
            settings,
            exploration_weight=settings.exploration_weight if weight is None else weight,
            exploration_days=settings.exploration_days if days is None else days,
        )

    change_settings(service.store, model.name, changed)


def _weight(sent: Parameters) -> float | None:
    if _WEIGHT not in sent:
        return None
    try:
        return float(sent.text(_WEIGHT))
    except ValueError as error:
        raise sent.wrong(_WEIGHT, "the text of a number from 0 to 1") from error


def _days(sent: Parameters) -> int | None:
    if _AGE not in sent:
        return None
    text = sent.text(_AGE)
    if not (text.isascii() and text.isdigit()):
        raise sent.wrong(_AGE, "the text of a whole number of days")
    return int(text[:9])

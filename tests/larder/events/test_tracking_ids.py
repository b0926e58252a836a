"""Models by their tracking ids, which are looked up in a store at most once a second."""

import pytest

from larder.errors import NotFound
from larder.events.settings import EventSettings, SettingsCache, TrackingIds, write_settings
from larder.release.keys import pointer_key
from larder.store import open_store


def test_an_unknown_id_is_looked_up_again_after_a_second() -> None:
    store, now = open_store("memory://"), [0.0]
    ids = TrackingIds(store, SettingsCache(store, 30.0, lambda: now[0]), 1.0, lambda: now[0])

    def model(may_use: bool = True) -> str:
        return ids.model("t", lambda name: may_use and name == "shop")

    with pytest.raises(NotFound):
        model()
    store.put(pointer_key("shop"), b"")
    write_settings(store, "shop", EventSettings(tracking_id="t"), None)
    now[0] = 0.9
    with pytest.raises(NotFound):
        model()
    now[0] = 1.0
    assert model() == "shop"
    with pytest.raises(NotFound, match="No model for this key has the tracking id 't'"):
        model(may_use=False)

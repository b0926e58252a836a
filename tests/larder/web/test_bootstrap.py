"""The service of a function: opened at the first use, from the environment."""

from pathlib import Path

import pytest

from larder.errors import SettingsError
from larder.runtime.settings import RolloutSettings
from larder.store import Store
from larder.web.bootstrap import Service


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("LARDER_STORE", tmp_path.as_uri())
    monkeypatch.setenv("LARDER_CLASSIFY_FUNCTION", "classify")
    monkeypatch.setenv("LARDER_RECOMMEND_FUNCTION", "recommend")
    return monkeypatch


def build(store: Store, settings: RolloutSettings) -> list[str]:
    return [store.url, settings.classify_function]


def test_it_is_built_at_the_first_use_and_kept(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    service = Service(RolloutSettings.from_environment, build)
    assert not service.is_open
    assert service.value == [tmp_path.as_uri(), "classify"]
    environment.setenv("LARDER_CLASSIFY_FUNCTION", "another")
    assert service.value is service.value
    assert service.value[1] == "classify"


def test_a_reset_reads_the_environment_again(environment: pytest.MonkeyPatch) -> None:
    service = Service(RolloutSettings.from_environment, build)
    service.open()
    environment.setenv("LARDER_CLASSIFY_FUNCTION", "another")
    service.reset()
    assert service.value[1] == "another"


def test_a_failure_is_not_kept(environment: pytest.MonkeyPatch) -> None:
    service = Service(RolloutSettings.from_environment, build)
    environment.delenv("LARDER_CLASSIFY_FUNCTION")
    with pytest.raises(SettingsError, match="LARDER_CLASSIFY_FUNCTION is missing"):
        _ = service.store
    environment.setenv("LARDER_CLASSIFY_FUNCTION", "classify")
    assert service.value[1] == "classify"

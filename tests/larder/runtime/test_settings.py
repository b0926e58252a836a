"""Settings, read from a mapping."""

from pathlib import Path

import pytest

from larder.errors import SettingsError
from larder.runtime.settings import RolloutSettings, Settings

COMPLETE = {
    "LARDER_STORE": "s3://bucket/prefix",
    "LARDER_CACHE_DIR": "cache",
    "LARDER_CACHE_BYTES": "1000",
    "LARDER_REFRESH_SECONDS": "0.5",
    "LARDER_MAX_PIXELS": "100",
    "LARDER_AUTHORIZATION": "KEYS",
}


def test_a_complete_environment_is_read() -> None:
    lambdas = COMPLETE | {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769"}
    expected = Settings("s3://bucket/prefix", Path("cache"), 1000, 0.5, 100, (), "", "KEYS", "", "", 1)
    assert Settings.from_environment(lambdas) == expected


@pytest.mark.parametrize(("names", "read"), [("", ()), ("digits", ("digits",)), (" digits, shop,", ("digits", "shop"))])
def test_the_models_to_preload_are_optional(names: str, read: tuple[str, ...]) -> None:
    assert Settings.from_environment(COMPLETE | {"LARDER_PRELOAD": names}).preload == read


def test_the_default_classifier_is_optional() -> None:
    assert Settings.from_environment(COMPLETE | {"LARDER_DEFAULT_CLASSIFIER": " pets "}).default_classifier == "pets"


@pytest.mark.parametrize(("authorization", "checks"), [("KEYS", True), ("AWS_IAM", False), ("NONE", False)])
def test_only_keys_are_checked_by_the_function(authorization: str, checks: bool) -> None:  # a parameter
    assert Settings.from_environment(COMPLETE | {"LARDER_AUTHORIZATION": authorization}).checks_keys is checks


@pytest.mark.parametrize(("memory", "vcpus"), [("128", 1), ("1769", 1), ("3008", 2), ("10240", 6)])
def test_lambdas_memory_decides_the_vcpus(memory: str, vcpus: int) -> None:
    assert Settings.from_environment(COMPLETE | {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory}).vcpus == vcpus


def test_elsewhere_all_processors_count() -> None:
    assert Settings.from_environment(COMPLETE).vcpus >= 1


def test_all_missing_variables_are_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({})
    assert [problem.split()[0] for problem in caught.value.problems] == list(COMPLETE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LARDER_STORE", "bucket"),
        ("LARDER_STORE", "file://relative"),
        ("LARDER_CACHE_BYTES", "0"),
        ("LARDER_CACHE_BYTES", "many"),
        ("LARDER_REFRESH_SECONDS", "-1"),
        ("LARDER_REFRESH_SECONDS", "nan"),
        ("LARDER_REFRESH_SECONDS", "inf"),
        ("LARDER_MAX_PIXELS", "1.5"),
        ("LARDER_MAX_PIXELS", ""),
        ("LARDER_AUTHORIZATION", "none"),
        ("LARDER_AUTHORIZATION", ""),
    ],
)
def test_an_invalid_variable_is_reported(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(COMPLETE | {name: value})
    (problem,) = caught.value.problems
    assert problem.startswith(name)
    assert "set it to" in problem


def test_the_rollout_has_its_own_settings() -> None:
    lambdas = {"LARDER_STORE": "s3://bucket", "LARDER_CLASSIFY_FUNCTION": "one", "LARDER_RECOMMEND_FUNCTION": "other"}
    assert RolloutSettings.from_environment(lambdas) == RolloutSettings("s3://bucket", "one", "other")
    with pytest.raises(SettingsError) as caught:
        RolloutSettings.from_environment({})
    assert [problem.split()[0] for problem in caught.value.problems] == list(lambdas)

"""The pointer: its format, and which callers get the canary."""

import pytest

from larder.errors import InvalidManifest
from larder.release.pointer import Pointer, dump_pointer, parse_pointer


def test_dump_and_parse_are_inverse() -> None:
    pointer = Pointer("r2", previous="r1", canary="r3", canary_percent=10, revision=7)
    assert parse_pointer(dump_pointer(pointer)) == pointer
    assert parse_pointer(dump_pointer(Pointer("r1"))) == Pointer("r1")


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'{"stable": "../x", "canary_percent": 0, "revision": 1}', b'{"stable": "r", "revision": 0}']
)
def test_a_broken_pointer_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidManifest, match="delete it from the store, then publish"):
        parse_pointer(data)


def test_without_a_canary_or_a_key_the_stable_release_answers() -> None:
    assert Pointer("r1").choose("caller") == "r1"
    assert Pointer("r1", canary="r2", canary_percent=100).choose(None) == "r1"


def test_a_canary_serves_its_percentage_of_callers_and_each_caller_always_the_same() -> None:
    pointer = Pointer("r1", canary="r2", canary_percent=10)
    chosen = [pointer.choose(f"caller-{number}") for number in range(5_000)]
    assert chosen == [pointer.choose(f"caller-{number}") for number in range(5_000)]
    # The hash is fixed, so this count is constant; 10 % +- 4 standard deviations of a fair draw.
    assert 415 <= chosen.count("r2") <= 585


@pytest.mark.parametrize(("percent", "release"), [(0, "r1"), (100, "r2")])
def test_0_and_100_percent_are_none_and_all(percent: int, release: str) -> None:
    pointer = Pointer("r1", canary="r2", canary_percent=percent)
    assert {pointer.choose(str(number)) for number in range(500)} == {release}

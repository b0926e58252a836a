"""``larder events on``: what it sets, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.toys.live_store import publish
from tests.toys.shop import write_shop

from larder.store import open_store
from larder_local.cli import cli

__all__ = ["write_shop"]  # a fixture


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_shop: Callable[..., Path]) -> None:
    """A working folder whose store has the model ``shop``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LARDER_STORE", raising=False)
    publish(open_store(f"file://{tmp_path}/.larder/store"), "shop", write_shop())


def settings() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(CliRunner().invoke(cli, ["events", "show", "shop", "--json"]).stdout)
    return document


@pytest.mark.usefixtures("shop")
def test_exploration_is_an_option_that_stays_until_it_is_changed() -> None:
    def on(*options: str) -> int:
        return CliRunner().invoke(cli, ["events", "on", "shop", *options]).exit_code

    assert on("--exploration-weight", "0.2", "--exploration-days", "7") == 0
    assert (settings()["exploration_weight"], settings()["exploration_days"]) == (0.2, 7)
    assert on("--recent", "20") == 0
    assert settings()["exploration_weight"] == 0.2
    assert on("--exploration-weight", "0") == 0
    assert (settings()["exploration_weight"], settings()["exploration_days"]) == (0.0, 7)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("option", [("--exploration-weight", "1.1"), ("--exploration-days", "0")])
def test_values_out_of_range_are_refused_by_name(option: tuple[str, str]) -> None:
    refused = CliRunner().invoke(cli, ["events", "on", "shop", *option])

    assert refused.exit_code == 1
    assert option[0].removeprefix("--").replace("-", "_") in str(refused.exception)

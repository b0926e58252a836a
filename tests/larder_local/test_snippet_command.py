"""``larder events snippet``: the HTML for a page, and what the commands say to do."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.toys.live_store import publish
from tests.toys.shop import write_shop

from larder.store import open_store
from larder_local.cli import cli

__all__ = ["write_shop"]  # a fixture


def run(*words: str) -> str:
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_shop: Callable[..., Path]) -> None:
    """A working folder whose store has the model ``shop``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LARDER_STORE", raising=False)
    (tmp_path / ".larder/store").mkdir(parents=True)
    publish(open_store(f"file://{tmp_path}/.larder/store"), "shop", write_shop())


def test_it_prints_html_for_the_address_and_the_commands_that_are_missing() -> None:
    printed = run("events", "snippet", "shop", "--url", 'https://api.example/pro"d/')
    tag = '<script async src="https://api.example/pro&quot;d/events.js" data-model="shop" data-key="KEY"></script>'
    assert printed.splitlines()[1] == tag
    assert "larder events on shop" in printed
    assert "larder keys add events:shop" in printed
    run("events", "on", "shop")
    assert "larder events on shop" not in run("events", "snippet", "shop")


def test_a_model_that_does_not_exist_has_no_snippet() -> None:
    result = CliRunner().invoke(cli, ["events", "snippet", "shpo"])
    assert result.exit_code != 0
    assert "shop" in str(result.output) + str(result.exception)


def test_a_key_for_events_says_how_to_send_one_and_how_to_get_the_snippet() -> None:
    printed = run("keys", "add", "events:shop")
    assert "/v1/models/shop/events -d '{" in printed
    assert "larder events snippet shop" in printed

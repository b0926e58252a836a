"""``larder events on --metric`` gives a model metrics, and takes them away."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.toys.live_store import publish
from tests.toys.shop import write_shop

from larder.events.settings import AttributionMetric, read_settings
from larder.store import Store, open_store
from larder_local.cli import cli

__all__ = ["write_shop"]  # a fixture


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_shop: Callable[..., Path]) -> Store:
    """The store of a working folder, with the model ``shop``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LARDER_STORE", raising=False)
    (tmp_path / ".larder/store").mkdir(parents=True)
    store = open_store(f"file://{tmp_path}/.larder/store")
    publish(store, "shop", write_shop())
    return store


def on(*options: str) -> str:
    result = CliRunner().invoke(cli, ["events", "on", "shop", *options])
    assert result.exit_code == 0, result.output
    return result.output


def test_metrics_are_set_replaced_kept_and_removed(store: Store) -> None:
    printed = on("--metric", "revenue=purchase:SUM", "--metric", "x=a:b=c:count")
    metrics = AttributionMetric("revenue", "purchase", "SUM"), AttributionMetric("x", "a:b=c", "COUNT")
    assert read_settings(store, "shop")[0].metrics == metrics
    assert "revenue=purchase:SUM, x=a:b=c:COUNT" in printed
    on("--hide", "purchase")
    assert read_settings(store, "shop")[0].metrics == metrics
    on("--metric", "carts=cart:COUNT")
    assert read_settings(store, "shop")[0].metrics == (AttributionMetric("carts", "cart", "COUNT"),)
    on("--no-metrics")
    assert read_settings(store, "shop")[0].metrics == ()


@pytest.mark.parametrize("metric", ["revenue", "=purchase:SUM", "revenue=:SUM", "revenue=purchase:MAX", "r=purchase"])
def test_other_texts_are_refused(store: Store, metric: str) -> None:
    result = CliRunner().invoke(cli, ["events", "on", "shop", "--metric", metric])
    assert result.exit_code == 2
    assert "revenue=purchase:SUM" in result.output
    assert not read_settings(store, "shop")[0].metrics

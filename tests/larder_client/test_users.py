"""Users are exported and removed by the client and by ``larder users``, against the whole service."""

import json
from pathlib import Path

import pytest
from tests.larder_local.conftest import larder
from tests.toys.event_rows import DAY, event

from larder.events.log.parts import write_parts
from larder.store import open_store
from larder_client import Client, NotFound

ODD = "ann/ä b?c#%2F"


@pytest.fixture
def shop(client: Client) -> Client:
    """A client of the service, whose shop has an event of a user with an odd id, and one of another."""
    client.put_event_settings("shop", enabled=True)
    client.put_events("shop", [{"type": "click", "item": "p0001", "user": user} for user in (ODD, "bob")])
    return client


def test_a_user_is_exported_and_removed(shop: Client) -> None:
    (stored,) = shop.export_user(ODD)["models"]
    assert (stored["model"], stored["events"][0]["item"]) == ("shop", "p0001")

    receipt = shop.remove_user(ODD)

    assert (receipt.models, receipt.log, receipt.done) == (("shop",), None, False)
    assert receipt.live is not None
    assert [model for model, _ in receipt.releases] == ["shop"]
    assert shop.export_user(ODD)["models"] == []
    assert len(shop.export_user("bob", model="shop")["models"]) == 1
    assert shop.deletion(receipt.receipt) == receipt
    assert shop.remove_user(ODD, model="shop").receipt == receipt.receipt
    with pytest.raises(NotFound, match="no receipt 'nothing'"):
        shop.deletion("nothing")
    with pytest.raises(ValueError, match="empty name"):
        shop.remove_user("")


def test_the_commands(shop: Client, service: str, tmp_path: Path) -> None:
    # GIVEN a log with rows of the user, and of the session in which they logged in
    store = f"file://{tmp_path}/store"
    rows = [event(1, user=None, session="visit"), event(2, user=ODD, session="visit"), event(3, user="bob")]
    write_parts(open_store(store), rows)

    def run(*words: str) -> str:
        done = larder("users", *words, folder=tmp_path, LARDER_URL=service)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    # WHEN they are exported, the export has recent history and the log
    exported = json.loads(run("export", ODD, "--store", store))
    assert exported["models"][0]["events"][0]["item"] == "p0001"
    assert [row["EVENT_ID"] for row in exported["log"]["shop"]["events"]] == ["e1", "e2"]
    assert exported["log"]["shop"]["events"][0]["TIMESTAMP"] == DAY
    assert json.loads(run("export", ODD))["log"] == {}, "this folder has no store"

    # AND when they are removed, the receipt says what is left
    removed = run("rm", ODD)
    receipt = shop.remove_user(ODD).receipt
    assert f"larder users receipt {receipt}" in removed
    assert "shop 2026" in run("receipt", receipt)
    assert json.loads(run("receipt", receipt, "--json"))["done"] is False
    assert json.loads(run("export", ODD))["models"] == []

"""A release in S3 with tables that are too large to download: the same responses, in few round trips."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.toys.shop import TRANSITIONS

from larder.host import ModelHost
from larder.recommender import Query, Recommender, model
from larder.release.keys import MANIFEST, file_key, pointer_key
from larder.release.pointer import Pointer, dump_pointer
from larder.store import Store, StoreReader, open_store
from larder.tables import DenseTable, KeyedTable
from recommend import app


def publish(folder: Path, store: Store) -> None:
    for path in sorted(folder.iterdir(), key=lambda path: path.name == MANIFEST):
        store.upload(file_key("shop", folder.name, path.name), path)
    store.put(pointer_key("shop"), dump_pointer(Pointer(stable=folder.name)))


def open_from(url: str, cache: Path) -> Recommender:
    host = ModelHost(open_store(url), "recommender", Recommender.open, cache_dir=cache, max_bytes=10**9)
    return host.get("shop").value


def trips(table: DenseTable | KeyedTable | None) -> int:
    assert table is not None
    reader = table._rows.reader
    assert isinstance(reader, StoreReader)
    return reader.round_trips


def test_small_tables_are_downloaded_once(write_shop: Callable[..., Path], s3_url: str, tmp_path: Path) -> None:
    folder = write_shop()
    publish(folder, open_store(s3_url))

    shop = open_from(s3_url, tmp_path)

    assert shop.recommend(Query(user="ada", n=1)).ids() == ["egg"]
    tables = {path.name for path in folder.iterdir()} - {MANIFEST}
    assert {path.name for path in (tmp_path / "shop" / folder.name).iterdir()} >= tables
    assert shop.nbytes > 0


def test_large_tables_are_read_in_few_round_trips(
    write_shop: Callable[..., Path],
    open_shop: Callable[..., Recommender],
    s3_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model, "LOCAL_BYTES", 0)
    transitions_weighted = {"transitions": TRANSITIONS, "more_weights": {"transition": 0.25}}
    publish(write_shop(**transitions_weighted), open_store(s3_url))
    remote, shop = open_from(s3_url, tmp_path), open_shop(**transitions_weighted)
    tables = remote._tables
    before = trips(tables._users), trips(tables.neighbours)
    transitions = trips(tables._transitions)

    query = Query(user="ada", session=["cherry", "dill, fresh", "fig"], n=7, include_seen=True)
    answer = remote.recommend(query)

    assert answer == shop.recommend(query)
    assert {item.because.source for item in answer.items if item.because} >= {"user", "session"}
    assert trips(tables._users) - before[0] == 2
    assert trips(tables.neighbours) - before[1] == 1  # the session's rows, and those for the user's reasons
    assert trips(tables._transitions) - transitions == 1  # the whole session at once

    assert remote.recommend(query) == answer
    assert (trips(tables._users), trips(tables.neighbours)) == (before[0] + 2, before[1] + 1)  # cached
    assert trips(tables._transitions) == transitions + 1

    unknown = Query(user="unknown", session=["egg"])
    assert remote.recommend(unknown) == shop.recommend(unknown)
    assert trips(tables._users) - before[0] == 3  # one block of keys shows that the user is unknown
    assert trips(tables.neighbours) - before[1] == 2
    assert trips(tables._transitions) - transitions == 2

    known = Query(user="bob")
    assert remote.recommend(known) == shop.recommend(known)
    assert trips(tables._transitions) - transitions == 2  # a known user without a session needs none
    assert remote.nbytes > 0


def test_transitions_are_downloaded_like_other_tables(
    write_shop: Callable[..., Path], s3_url: str, tmp_path: Path
) -> None:
    folder = write_shop(transitions=TRANSITIONS, more_weights={"transition": 1.0})
    publish(folder, open_store(s3_url))

    shop = open_from(s3_url, tmp_path)

    assert (tmp_path / "shop" / folder.name / "transitions.safetensors").is_file()
    assert shop.recommend(Query(session=["apple"], n=1)).ids() == ["fig"]


def test_a_user_costs_the_handler_two_requests_to_s3(
    write_shop: Callable[..., Path],
    s3_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # GIVEN a users' table that is too large to download, all other files on this machine, and a warm function
    users = {f"user-{number}": [(number % 6, 1.0), (5, 0.0)] for number in range(1000)}
    folder = write_shop(users=users)
    sizes = {path.name: path.stat().st_size for path in folder.glob("*.safetensors")}
    large = sizes.pop("users.safetensors")
    assert large > max(sizes.values())
    monkeypatch.setattr(model, "LOCAL_BYTES", max(sizes.values()))
    publish(folder, open_store(s3_url))
    set_up(monkeypatch, s3_url, tmp_path)
    assert ask(user="user-0") == 200
    for user, most in (("user-1", 2), ("user-999", 2), ("unknown", 1), ("user-999", 0)):
        # WHEN another user is requested
        caplog.clear()
        with caplog.at_level("INFO", logger="werkzeug"):
            assert ask(user=user) == 200
        # THEN the server got at most two requests, for ranges of that table
        lines = requests(caplog)
        assert len(lines) <= most, lines
        assert all("users.safetensors" in line and " 206 " in line for line in lines), lines
    app.service.reset()


def test_a_session_costs_one_more_request_per_table_of_items(
    write_shop: Callable[..., Path],
    s3_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # GIVEN no table on this machine, and a function that has answered for a new user
    monkeypatch.setattr(model, "LOCAL_BYTES", 0)
    publish(write_shop(transitions=TRANSITIONS, more_weights={"transition": 0.25, "revisit": 0.5}), open_store(s3_url))
    set_up(monkeypatch, s3_url, tmp_path)
    assert ask() == 200
    # WHEN a user with a session is requested
    caplog.clear()
    with caplog.at_level("INFO", logger="werkzeug"):
        assert ask(user="ada", session="apple,egg,fig") == 200
    # THEN the server got two requests for the user, and one for all rows of each other table
    tables = [line.split("/")[-2].removesuffix(".safetensors HTTP") for line in requests(caplog)]
    assert sorted(tables) == ["neighbours", "transitions", "users", "users"]
    app.service.reset()


def set_up(monkeypatch: pytest.MonkeyPatch, store: str, cache: Path) -> None:
    settings = {"STORE": store, "CACHE_DIR": str(cache), "CACHE_BYTES": "1000000"}
    for name, value in (settings | {"REFRESH_SECONDS": "300", "MAX_PIXELS": "1", "AUTHORIZATION": "NONE"}).items():
        monkeypatch.setenv(f"LARDER_{name}", value)
    app.service.reset()


def requests(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines that the server has logged about its requests."""
    return [record.getMessage() for record in caplog.records if record.name == "werkzeug"]


def ask(**query: str) -> int:
    path = "/v1/models/shop/recommend"
    event: dict[str, object] = {
        "version": "2.0",
        "rawPath": path,
        "headers": {},
        "queryStringParameters": query,
    }
    event["requestContext"] = {"http": {"method": "GET", "path": path}, "stage": "$default"}
    return int(app.handler({**event, "pathParameters": {"model": "shop"}}, None)["statusCode"])

"""The document of keys: the same bytes for the same keys, and every problem at once."""

import json

import pytest
from tests.larder.auth.requests import KEY_ID, NOW, SECRET, make_key

from larder.auth.keys import (
    MAX_KEYS,
    Secret,
    digest,
    dump_keys,
    format_time,
    parse_entries,
    parse_entry,
    parse_keys,
)
from larder.auth.scopes import parse_scope
from larder.errors import InvalidKeys

OTHER = "LKTEST00000000000002"
FULL = make_key(signs=True)._replace(
    secrets=(Secret(digest(SECRET), SECRET), Secret("ab" * 32, until=NOW + 60)),
    scopes=(parse_scope("classify:pets"), parse_scope("models:read")),
    expires=NOW + 5,
    description="the shop's web server, ü",
    rate=2.5,
    burst=5,
    default_model="pets",
)


def test_a_document_is_read_as_it_was_written() -> None:
    keys = {KEY_ID: FULL, OTHER: make_key(key_id=OTHER, secrets=(), revoked=NOW)}
    assert parse_keys(dump_keys(keys)) == keys
    assert dump_keys(dict(reversed(keys.items()))) == dump_keys(keys)


def test_golden_document() -> None:
    data = b"""{
  "format": 1,
  "keys": {
    "LKTEST00000000000001": {
      "created": "2026-09-21T13:56:40Z",
      "description": "",
      "scopes": [
        "admin"
      ],
      "secrets": [
        {
          "sha256": "%s"
        }
      ]
    }
  }
}
""" % digest(SECRET).encode()
    assert dump_keys({KEY_ID: make_key(created=NOW - 1000)}) == data


def test_every_problem_is_reported_without_a_secret() -> None:
    entry = {
        "created": "yesterday",
        "description": 1,
        "scopes": ["fly:pets"],
        "secrets": [{"sha256": "x", "plain": SECRET}, {"sha256": "0" * 64, "plain": SECRET}],
        "rate": 0,
        "default_model": "Pets",
        "color": "red",
    }
    with pytest.raises(InvalidKeys) as caught:
        parse_keys(json.dumps({"format": 1, "keys": {"short": entry, OTHER: {}}}).encode())
    message = str(caught.value)
    for part in (
        "short.id",
        "created",
        "description",
        "fly:pets",
        "secrets.0.sha256",
        "secrets.1",
        "rate",
        "Pets",
        "color",
    ):
        assert part in message
    assert f"{OTHER}.secrets" in message
    assert SECRET not in message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format": 2, "keys": {}}',
        b'{"format": 1, "keys": []}',
        b'{"format": 1, "keys": {}, "x": 1}',
        b"\xff",
    ],
)
def test_a_damaged_document_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidKeys):
        parse_entries(data)


def test_a_damaged_entry_harms_no_other_key() -> None:
    good = json.loads(dump_keys({KEY_ID: FULL}))["keys"][KEY_ID]
    entries = parse_entries(json.dumps({"format": 1, "keys": {KEY_ID: good, OTHER: {}}}).encode())
    assert parse_entry(KEY_ID, entries[KEY_ID]) == FULL
    with pytest.raises(InvalidKeys):
        parse_entry(OTHER, entries[OTHER])


def test_a_document_holds_a_thousand_keys() -> None:
    keys: dict[str, object] = {f"LK{number:018}": {} for number in range(MAX_KEYS + 1)}
    with pytest.raises(InvalidKeys, match="1001"):
        parse_entries(json.dumps({"format": 1, "keys": keys}).encode())


def test_a_key_ends() -> None:
    assert [FULL.state(NOW + seconds) for seconds in (4, 5)] == ["active", "expired"]
    assert make_key(revoked=NOW).state(NOW) == "revoked"
    assert len(FULL.valid_secrets(NOW + 59)) == 2
    assert len(FULL.valid_secrets(NOW + 60)) == 1
    assert format_time(NOW) == "2026-09-21T14:13:20Z"

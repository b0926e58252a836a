"""The output of ``larder classify``, ``recommend`` and ``models`` for answers and errors."""

import json
from pathlib import Path

import pytest
from tests.larder_client.conftest import Reply, Scripted
from tests.larder_local.conftest import larder

from larder_client import Client


def test_labels(service: str, image: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(image)
    printed = larder("classify", "a.png", "a.png", "--min-confidence", "0", folder=tmp_path, LARDER_URL=service)
    assert (printed.stdout, printed.stderr) == ("a.png: 1 0.953, 0 0.047\n" * 2, "")

    printed = larder("classify", "a.png", "--json", "--max-labels", "1", folder=tmp_path, LARDER_URL=service)
    answer = json.loads(printed.stdout)
    assert list(answer) == ["file", "model", "release", "labels", "unknown"]
    assert (answer["file"], answer["labels"]) == ("a.png", [{"name": "1", "confidence": 0.952574}])


def test_the_error_names_the_refused_image(service: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"text")
    printed = larder("classify", "a.txt", "--model", "digits", folder=tmp_path, LARDER_URL=service)
    assert (printed.returncode, printed.stdout) == (1, "")
    assert printed.stderr.startswith("a.txt: Error: ")


def test_items(service: str, tmp_path: Path) -> None:
    arguments = ("recommend", "u0001", "--n", "2", "--columns", "TITLE,PRICE")
    printed = larder(*arguments, folder=tmp_path, LARDER_URL=service)
    assert printed.stdout.splitlines() == [
        "  1  p0002  1.125  (user: p0001)  TITLE=Blue mug  PRICE=8.0",
        "  2  p0003  0.500  (user)  TITLE=Tea towel  PRICE=5.0",
    ]

    arguments = ("recommend", "u0002", "--session", 'p0001,"a,b"', "--filter", "EXCLUDE ItemID WHERE Items.PRICE > 9")
    printed = larder(*arguments, "--json", folder=tmp_path, LARDER_URL=service)
    assert json.loads(printed.stdout)["items"][0]["because"] == {"source": "session", "items": ["p0001"]}


def test_a_list_with_an_open_quote_is_wrong_usage(service: str, tmp_path: Path) -> None:
    printed = larder("recommend", "u1", "--session", '"a', folder=tmp_path, LARDER_URL=service)
    assert (printed.returncode, "close each" in printed.stderr) == (2, True)


def test_models(service: str, store: Path, tmp_path: Path) -> None:
    with Client(service) as client:
        releases = [model.live for model in client.models()]
    printed = larder("models", "--store", f"file://{store}", folder=tmp_path)
    header, digits, shop = printed.stdout.splitlines()
    assert header.split()[:4] == ["model", "kind", "state", "live"]
    assert digits.split()[:4] == ["digits", "classifier", "live", releases[0]]
    assert shop.split()[:4] == ["shop", "recommender", "live", releases[1]]


SIGNED_ONLY = (
    "The service answered 403 Forbidden: it accepts signed requests only, which this command does not send; "
    "see docs/how-to/call-with-a-key.md."
)
BROKEN_OFF = (
    "No answer from {url} (IncompleteRead(4 bytes read, 95 more expected)): start it with `larder up`, "
    "or set LARDER_URL."
)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(404, {"error": {"code": "not_found", "message": "No model: publish one."}}), "No model: publish one."),
        (Reply(403, {"message": "Forbidden"}), SIGNED_ONLY),
        (Reply(429), "The service answered 429 Too Many Requests: wait, then try again."),
        (Reply(body=b"<html>"), "{url} is not a Larder service: set LARDER_URL."),
        (Reply(length=99), BROKEN_OFF),
    ],
)
def test_errors_have_advice_for_users_of_the_command(
    scripted: Scripted, tmp_path: Path, reply: Reply, message: str
) -> None:
    scripted.replies = [reply]
    printed = larder("recommend", "u1", "--model", "shop", folder=tmp_path, LARDER_URL=scripted.url)
    assert (printed.returncode, printed.stdout) == (1, "")
    assert printed.stderr == f"Error: {message.format(url=scripted.url)}\n"

"""A page of a shop in a real browser, with the HTML that ``larder events snippet`` prints, against ``larder up``."""

import html
import http.server
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.larder_local.conftest import Up, larder, running
from tests.openapi.conftest import image, store

from larder.events.sqlite import SqliteLiveStore

__all__ = ["image", "store"]  # fixtures
CHROMIUM = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
pytestmark = [
    pytest.mark.slow,  # it starts the whole service
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: install it to open a page that sends events"),
]
SHOW = "const show = text => document.body.append(Object.assign(document.createElement('output'), {textContent: text}))"
VISIT = """
larder("view", {item: "p0001"})  // before the script has come
const loaded = setInterval(async () => {
  if (!larder.session) return
  clearInterval(loaded)
  const session = larder.session
  larder("click", {item: "p0002"})
  await fetch(`/when?n=2&session=${session}`)
  larder.user = "ada"
  navigator.sendBeacon = () => false  // a full queue
  larder("purchase", {item: "p0003", value: 2.5})
  await fetch("/when?n=3&user=ada")
  show(session)
  show(localStorage.larder === session)
  larder.reset()
  show(larder.session !== session && localStorage.larder === larder.session && larder.user === undefined)
}, 10)
"""
EXPOSE = """
const url = document.querySelector("script[data-key]")
fetch(new URL(`v1/models/shop/events?key=${url.dataset.key}`, url.src), {method: "POST", body: "{}"})
  .then(answer => answer.json()).then(answer => show(answer.error.message), show)
"""


@pytest.fixture(scope="module")
def home(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(store, folder / ".larder/store")
    assert larder("events", "on", "shop", folder=folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def up(home: Path) -> Iterator[Up]:
    with running(home, "--no-demo", "--workers", "1") as service:
        yield service


def items_of(home: Path, user: str | None, session: str | None) -> list[str]:
    """The items of a history."""
    live = SqliteLiveStore.open(str(home / ".larder/events.db"))
    return sorted(event.item for event in live.read("shop", user, session).events)


@contextmanager
def serving_page(page: str, home: Path) -> Iterator[str]:
    """Serves a page at an origin of its own, and ``/when``, which answers when a history has ``n`` events."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            if asked.path == "/when":
                self.wait(**{name: values[0] for name, values in parse_qs(asked.query).items()})
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page.encode())

        def wait(self, n: str, user: str | None = None, session: str | None = None) -> None:
            end = time.monotonic() + 20
            while len(items_of(home, user, session)) < int(n) and time.monotonic() < end:
                time.sleep(0.02)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name of the class above
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def visited(home: Path, profile: Path, script: str, *scopes: str) -> list[str]:
    """What a page shows that has the printed HTML, with a key for these scopes, and then ``script``."""
    made = larder("keys", "add", *scopes, "--json", folder=home)
    printed, _, remedy = larder("events", "snippet", "shop", folder=home).stdout.partition("\n\n")
    assert "larder keys add events:shop" in remedy
    source = printed.replace("KEY", json.loads(made.stdout)["key"])
    page = f"<!doctype html><meta charset=utf-8><body>{source}<script>{SHOW}\n{script}</script>"
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom")
    network = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
    with serving_page(page, home) as address:
        command = [str(CHROMIUM), *options, *network, f"--user-data-dir={profile}", address]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=90)  # noqa: S603  our page
    return [html.unescape(text) for text in re.findall(r"<output>(.*?)</output>", done.stdout)]


def test_a_page_sends_what_a_visitor_does_before_and_after_their_login(up: Up, home: Path, tmp_path: Path) -> None:
    session, *kept = visited(home, tmp_path, VISIT, "events:shop")
    # THEN the events of the visit are the user's, and the session outlives the page and ends with the logout
    assert items_of(home, "ada", None) == ["p0001", "p0002", "p0003"]
    assert re.fullmatch(r"[0-9a-f]{32}", session)
    assert kept == ["true", "true"]
    # AND no log has the key, the session or the user
    logs = "".join(file.read_text() for file in (home / ".larder").rglob("*.log"))
    assert "GET /events.js" in logs
    assert not re.search(rf"{session}|ada|LK[A-Z0-9]{{18}}\.", logs)
    assert up.process.poll() is None


def test_a_page_with_a_key_that_may_do_more_can_read_why_it_is_refused(up: Up, home: Path, tmp_path: Path) -> None:
    (message,) = visited(home, tmp_path, EXPOSE, "events:shop", "recommend:shop")
    assert "larder keys revoke LK" in message
    assert "larder keys add events:MODEL" in message
    assert up.process.poll() is None

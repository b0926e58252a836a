"""The whole service, end to end: train, publish, serve and ask the demo, and replace a release under load."""

import json
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.larder_local.conftest import LINUX, Up, children, larder, processes_left, running, start
from tests.paths import ROOT

from larder.release.manifest import Manifest, parse
from larder_local.workspace import Workspace
from larder_training.release.tables import write_probes
from larder_training.release.writer import write_release

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CLIENTS = 20


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the first ``larder up`` was interrupted during the training of the second demo model."""
    folder = tmp_path_factory.mktemp("home")
    up = start(folder, until="events of")
    # The first model answers meanwhile.
    assert [model["model"] for model in json.loads(up.ask("/v1/models").body)["models"]] == ["digits"]
    assert f"Larder answers at {up.address}" in up.printed
    assert "while shop is trained" in up.printed
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(30) == 0
    assert not (folder / ".larder" / "service.json").exists()
    unfinished = [path for part in ("releases", "demo") for path in (folder / ".larder" / part).glob(".*")]
    assert unfinished == []
    return folder


@pytest.fixture(scope="module")
def up(home: Path) -> Iterator[Up]:
    """The service after the next ``larder up``, which finishes the demo."""
    with running(home) as service:
        yield service


def _release(home: Path, model: str, **changed: bytes | Path) -> Path:
    """A later release of ``model`` with the same files, except the ``changed`` ones."""
    old = Workspace(home / ".larder").releases_of(model)[-1]
    manifest = _manifest(old)
    return write_release(
        home / "further",
        model=model,
        kind=manifest.kind,
        serving=manifest.serving,
        files={**{name: old / name for name in manifest.files}, **changed},
        evaluation=manifest.evaluation,
        training=manifest.training,
        structure=manifest.structure,
        created=datetime.now(UTC),
    )


def _manifest(release: Path) -> Manifest:
    return parse((release / "manifest.json").read_bytes())


def _live(up: Up, model: str) -> str:
    return str(json.loads(up.ask(f"/v1/models/{model}").body)["live"])


def test_an_interrupted_start_resumes(up: Up) -> None:
    assert "train recommender" in up.printed
    assert "train classifier" not in up.printed
    assert "demo shop" not in up.printed


def test_the_commands_that_it_prints_work(up: Up, home: Path) -> None:
    shown = up.printed.rpartition("Larder answers at")[2]
    commands = [shlex.split(line) for line in shown.splitlines() if line.startswith("  curl ")]
    assert len(commands) == 4
    assert f"export LARDER_KEY={up.key}\n" in shown
    for words in commands:
        url = urlsplit(next(word for word in words if word.startswith(up.address)))
        assert words[1:3] == ["-H", "x-api-key: $LARDER_KEY"]
        image = words[words.index("--data-binary") + 1] if "--data-binary" in words else ""
        body = (home / image.removeprefix("@")).read_bytes() if image else None
        body = words[words.index("-d") + 1].encode() if "-d" in words else body
        answer = up.ask(f"{url.path}?{url.query}".rstrip("?"), body, {"content-type": "image/png"} if image else None)
        document = json.loads(answer.body)
        assert answer.status == 200
        if image:
            assert document["labels"][0]["name"] == "3"
        elif body:
            assert (document["accepted"], document["refused"]) == (1, [])
        elif url.query:
            assert len(document["items"]) == 10
        else:
            assert [model["model"] for model in document["models"]] == ["digits", "shop"]


def test_the_commands_that_it_prints_work_as_they_stand(up: Up, home: Path) -> None:
    """GIVEN a shell without `larder` on its PATH, in another folder, and a service on a port of its own."""
    shown = up.printed.rpartition("finds this address and key by itself:")[2].partition("Press")[0]
    lines = [line.strip() for line in shown.splitlines() if line.strip()]
    assert [line.split()[0] for line in lines] == ["cd", "export", "larder", "larder", "larder"]
    environment = {"PATH": "/usr/bin:/bin"}
    for command in lines[2:]:
        script = "\n".join([*lines[:2], command])
        done = subprocess.run(["bash", "-ec", script], cwd="/", env=environment, capture_output=True, check=False)  # noqa: S603, S607  ours
        assert done.returncode == 0, done.stderr
        assert done.stdout
    del home


def test_a_click_is_in_the_next_answer_and_in_the_next_training(up: Up, home: Path) -> None:
    path = "/v1/models/shop"
    visitor = f"{path}/recommend?session_id=visit&n=5"

    # GIVEN what a visitor gets WHEN they click, and buy THEN the next answer is another one, without what they bought
    before = json.loads(up.ask(visitor).body)["items"]
    events = [
        {"id": "click", "type": "click", "item": before[0]["id"], "session_id": "visit"},
        {"id": "pay", "type": "pay", "item": before[1]["id"], "session_id": "visit"},
    ]
    assert up.ask(f"{path}/events", json.dumps({"events": events}).encode()).status == 200
    after = json.loads(up.ask(visitor).body)["items"]
    assert after != before
    assert before[1]["id"] not in {item["id"] for item in after}
    # AND a new item that resembles what they see has a score for them at once
    columns = json.loads(up.ask(f"{visitor}&columns=CATEGORY,BRAND,PRICE,TITLE").body)["items"][0]["columns"]
    assert up.ask(f"{path}/items", json.dumps({"id": "brand-new", "columns": columns}).encode()).status == 200
    ranked = up.ask(f"{path}/rank", json.dumps({"items": ["brand-new"], "session_id": "visit"}).encode())
    assert json.loads(ranked.body)["items"][0]["score"] > 0

    # AND the log has them, once each, WHEN a training reads it THEN its release knows the new item and answers
    log = home / ".larder/store/logs/shop"
    _until(lambda: any(log.glob("items/*/*.gz")) and any(log.glob("events/*/*.gz")))
    compacted = larder("events", "compact", folder=home)
    assert compacted.returncode == 0, compacted.stderr
    data = home / ".larder/demo/shop"
    sources = [f"--interactions={data}/interactions.csv", f"--interactions={log}/events"]
    sources += [f"--items={data}/items.csv", f"--items={log}/items", f"--users={data}/users.csv"]
    quick = ["--trials", "2", "--reranker", "never", "--no-cache", "--quiet", "--out", str(home / "grown")]
    trained = larder("train", "recommender", *sources, "--model", "shop-grown", *quick, folder=home)
    assert trained.returncode == 0, trained.stderr
    assert larder("publish", trained.stdout.strip(), folder=home).returncode == 0
    ranked = up.ask("/v1/models/shop-grown/rank", json.dumps({"items": ["brand-new", "absent"]}).encode())
    assert json.loads(ranked.body)["items"][0]["score"] is not None
    assert json.loads(ranked.body)["items"][1]["score"] is None
    shutil.rmtree(home / ".larder/store/models/shop-grown")  # the other tests have the two models of the demo


def _until(holds: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_classify_goes_on_after_a_bad_file(up: Up, home: Path, tmp_path: Path) -> None:
    image = next((home / ".larder/demo/digits/test/7").glob("*.png"))
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff damaged")
    files = [str(image), str(tmp_path / "bad.jpg"), str(tmp_path / "missing.jpg"), str(tmp_path), str(image)]
    done = larder("classify", *files, "--model", "digits", folder=home)
    assert done.returncode == 1
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [files[0], files[4]]
    assert [line.partition(": Error: ")[0] for line in done.stderr.splitlines()[:3]] == files[1:4]
    assert done.stderr.splitlines()[3] == "3 of 5 files were not classified."
    lines = [json.loads(line) for line in larder("classify", *files, "--json", folder=home).stdout.splitlines()]
    assert [line["file"] for line in lines] == files
    assert ["error" in line for line in lines] == [False, True, True, True, False]
    near = larder("classify", files[0], "--model", "digit", folder=home)
    assert (near.returncode, "Did you mean 'digits'?" in near.stderr) == (1, True)
    del up


def test_status_shows_the_service_and_its_models(up: Up, home: Path) -> None:
    shown = larder("status", "--json", folder=home)
    document = json.loads(shown.stdout)
    assert (shown.returncode, document["problems"]) == (0, [])
    assert document["service"]["url"] == up.address
    assert [model["state"] for model in document["models"]] == ["live", "live"]


def test_the_readmes_curl_commands_work(up: Up, home: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    commands = [line for line in readme.splitlines() if line.startswith("curl ") and "127.0.0.1:8080" in line]
    assert len(commands) == 4
    assert "export LARDER_KEY=$(cat .larder/key)" in readme.splitlines()
    for command in commands:
        local = command.replace("http://127.0.0.1:8080", up.address)
        script = f"export LARDER_KEY=$(cat .larder/key)\n{local}"
        done = subprocess.run(["bash", "-c", script], cwd=home, capture_output=True, check=True)  # noqa: S603, S607  ours
        document = json.loads(done.stdout)
        assert "error" not in document, command
        assert document.get("labels") or len(document.get("items", ())) == 3 or document["models"]


def test_the_thin_clients(up: Up, home: Path) -> None:
    image = str(next((home / ".larder/demo/digits/test/7").glob("*.png")))
    labels = larder("classify", image, image, "--json", folder=home)
    assert [json.loads(line)["labels"][0]["name"] for line in labels.stdout.splitlines()] == ["7", "7"]
    assert larder("classify", image, folder=home).stdout.startswith(f"{image}: 7 ")

    user = up.printed.partition("user=")[2].partition("&")[0]
    items = json.loads(larder("recommend", user, "--n", "3", "--columns", "PRICE", "--json", folder=home).stdout)[
        "items"
    ]
    assert len(items) == 3
    assert all(item["columns"]["PRICE"] > 0 for item in items)
    assert larder("recommend", user, folder=home).stdout.count("\n") == 10
    assert larder("models", folder=home).stdout.count("\n") == 3

    unknown = larder("classify", image, "--model", "nothing", folder=home)
    assert (unknown.returncode, "nothing" in unknown.stderr, image in unknown.stderr) == (1, True, True)


@pytest.mark.usefixtures("up")
def test_a_release_is_evaluated_on_held_out_images(home: Path) -> None:
    evaluated = larder("evaluate", "digits", "--images", ".larder/demo/digits/test", "--json", folder=home)
    assert json.loads(evaluated.stdout)["accuracy"] > 0.95


@pytest.mark.usefixtures("up")
def test_drift_of_images_in_folders(home: Path, tmp_path: Path) -> None:
    folders = ("--training", ".larder/demo/digits/train", "--images", ".larder/demo/digits/test")
    page = tmp_path / "drift.html"
    found = json.loads(larder("drift", "digits", *folders, "--report", str(page), "--json", folder=home).stdout)
    assert (found["model"], found["alarm"]) == ("digits", bool(found["causes"]))
    assert len(found["most_unlike"]) == 10
    assert "Most unlike training" in page.read_text()
    shown = larder("drift", "digits", *folders, folder=home)
    assert f"{found['images']:,} images, {found['distinct']:,} distinct." in shown.stdout
    for folder, message in ((tmp_path, "Remove it, and try again"), (tmp_path / "none", "has no files")):
        refused = larder("drift", "digits", *folders[:2], "--images", str(folder), folder=home)
        assert (refused.returncode, message in refused.stderr) == (1, True)


def test_a_second_release_answers_at_once_under_load_and_no_request_fails(up: Up, home: Path) -> None:
    before = {model: _live(up, model) for model in ("digits", "shop")}
    releases = {model: _release(home, model) for model in before}
    image = next((home / ".larder/demo/digits/test/5").glob("*.png")).read_bytes()
    user = up.printed.partition("user=")[2].partition("&")[0]
    failures: list[tuple[int, bytes]] = []
    answered: Counter[str] = Counter()
    first: dict[str, float] = {}
    done = threading.Event()

    def call(model: str) -> None:
        path = "/v1/models/digits/classify" if model == "digits" else f"/v1/models/shop/recommend?user={user}"
        while not done.is_set():
            answer = up.ask(path, image if model == "digits" else None, {"content-type": "image/png"})
            if answer.status != 200:
                failures.append((answer.status, answer.body))
                continue
            release = json.loads(answer.body)["release"]
            answered[release] += 1
            first.setdefault(release, time.monotonic())

    callers = [threading.Thread(target=call, args=(("digits", "shop")[number % 2],)) for number in range(CLIENTS)]
    for caller in callers:
        caller.start()
    try:
        for release in releases.values():
            assert "Promoted" in larder("publish", str(release), folder=home).stdout
        promoted = time.monotonic()
        while time.monotonic() < promoted + 20 and not all(release.name in first for release in releases.values()):
            time.sleep(0.2)
        time.sleep(1)
    finally:
        done.set()
        for caller in callers:
            caller.join()

    assert failures == []
    for model, release in releases.items():
        assert answered[before[model]] > 0
        assert first[release.name] < promoted + 5
        assert _live(up, model) == release.name


def test_a_release_with_one_changed_byte_is_rejected_and_the_live_one_keeps_answering(up: Up, home: Path) -> None:
    before = _live(up, "digits")
    release = _release(home, "digits", **{"report.html": b"another report"})
    content = bytearray((release / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (release / "model.onnx").write_bytes(content)

    refused = larder("publish", str(release), folder=home)

    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "model.onnx" in refused.stderr
    assert _live(up, "digits") == before


@pytest.mark.parametrize("model", ["digits", "shop"])
def test_a_release_that_fails_its_golden_requests_is_rejected(up: Up, home: Path, tmp_path: Path, model: str) -> None:
    before, golden = _live(up, model), {}
    if model == "shop":
        golden["answer"] = [b'["p0001"]']
        write_probes(tmp_path / "p.safetensors", [b'{"n": 1, "user": "u-new"}'], answer=[b'["nothing"]'])
    else:
        import numpy as np

        image = next((home / ".larder/demo/digits/test/5").glob("*.png")).read_bytes()
        write_probes(tmp_path / "p.safetensors", [image], probabilities=np.eye(1, 10, dtype=np.float32))
    release = _release(home, model, **{"probes.safetensors": tmp_path / "p.safetensors"})

    refused = larder("publish", str(release), folder=home)

    assert refused.returncode == 1
    assert "Golden request 0" in refused.stderr
    assert f"{before} keeps answering" in refused.stderr
    states = {entry["release"]: entry for entry in json.loads(up.ask(f"/v1/models/{model}/releases").body)["releases"]}
    assert states[release.name]["state"] == "rejected"
    assert "Golden request 0" in states[release.name]["reason"]


@LINUX
def test_half_a_minute_of_load_loses_only_the_requests_of_killed_workers(up: Up, home: Path) -> None:
    soak = ROOT / "benchmarks/serving/soak.py"
    options = ("--minutes", "0.4", "--kills", "2", "--home", str(home), "--gateway", str(up.process.pid))
    command = [sys.executable, str(soak), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603  our own
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 workers killed" in done.stdout


@LINUX
def test_no_process_is_left_and_a_second_start_trains_nothing(up: Up, home: Path) -> None:
    live = _live(up, "digits")
    workers = children(up.process.pid)

    assert up.stop() == 0
    assert processes_left(workers) == set()
    with running(home) as again:
        assert "train" not in again.printed
        assert _live(again, "digits") == live

"""ModelHost: which release answers, when that changes, and failures that must not interrupt it."""

import gc
import hashlib
import logging
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from larder.errors import InvalidModel, InvalidRequest, MissingObject, NotFound, NotReady, ReleaseError
from larder.host import LoadedRelease, ModelHost, ReleaseFiles
from larder.registry import Registry
from larder.release import manifest
from larder.release.keys import MANIFEST, file_key, pointer_key
from larder.release.manifest import FileEntry, Manifest
from larder.release.pointer import Pointer, dump_pointer
from larder.store import Store, open_store

OLD, NEW = "20260101t000000z-00000001", "20260102t000000z-00000002"


class Toy:
    """Loaded from ``model.onnx``: content that starts with ``broken`` does not load; a closed model does not answer."""

    def __init__(self, files: ReleaseFiles) -> None:
        self.content = files.path("model.onnx").read_bytes()
        if self.content.startswith(b"broken"):
            raise InvalidModel("The graph is broken: train it again.")
        self.nbytes = len(self.content)
        self.closed = False

    def answer(self) -> bytes:
        assert not self.closed
        return self.content

    def close(self) -> None:
        self.closed = True


@dataclass
class Bundle:
    """A store, its hosts' clock, and the releases that were opened, in order."""

    store: Store
    template: Manifest
    cache_dir: Path
    now: float = 0.0
    opened: list[str] = field(default_factory=list)
    before_opening: Callable[[str], None] = lambda _: None

    def add(self, model: str, release: str, content: bytes, *, stated: bytes | None = None) -> str:
        entry = FileEntry(len(stated or content), hashlib.sha256(stated or content).hexdigest())
        self.store.put(file_key(model, release, "model.onnx"), content)
        document = replace(self.template, model=model, release=release, files={"model.onnx": entry})
        self.store.put(file_key(model, release, MANIFEST), manifest.dump(document))
        return release

    def point(self, model: str, pointer: Pointer) -> None:
        self.store.put(pointer_key(model), dump_pointer(pointer))

    def publish(self, model: str, release: str, content: bytes) -> str:
        self.add(model, release, content)
        self.point(model, Pointer(release))
        return release

    def host(self, *, max_bytes: int = 1000, refresh_seconds: float = 30.0) -> ModelHost[Toy]:
        return ModelHost(
            self.store,
            "classifier",
            self._open,
            cache_dir=self.cache_dir,
            max_bytes=max_bytes,
            refresh_seconds=refresh_seconds,
            clock=lambda: self.now,
        )

    def cached(self) -> list[str]:
        return sorted(str(path.relative_to(self.cache_dir)) for path in self.cache_dir.glob("*/*/[!.]*"))

    def _open(self, files: ReleaseFiles) -> Toy:
        self.before_opening(files.manifest.release)
        self.opened.append(files.manifest.release)
        return Toy(files)


@pytest.fixture(params=["memory", "file", "s3"])
def bundle(request: pytest.FixtureRequest, classifier_manifest: Manifest, tmp_path: Path) -> Bundle:
    urls: dict[str, Callable[[], str]] = {
        "memory": lambda: "memory://",
        "file": lambda: f"file://{tmp_path}/store",
        "s3": lambda: str(request.getfixturevalue("s3_url")),
    }
    return Bundle(open_store(urls[request.param]()), classifier_manifest, tmp_path / "cache")


def together(tasks: Sequence[Callable[[], None]]) -> None:
    """Runs each function in its own thread; raises the first exception."""
    with ThreadPoolExecutor(len(tasks)) as pool:
        for done in [pool.submit(task) for task in tasks]:
            done.result(60)


def answer(host: ModelHost[Toy], model: str = "pets", release: str | None = None, key: str | None = None) -> bytes:
    return host.get(model, release=release, key=key).value.answer()


def test_the_live_release_answers(bundle: Bundle) -> None:
    bundle.publish("pets", OLD, b"old")
    served = bundle.host().get("pets")
    assert (served.value.answer(), served.manifest.model, served.manifest.release) == (b"old", "pets", OLD)


def test_a_release_is_opened_once(bundle: Bundle) -> None:
    bundle.publish("pets", OLD, b"old")
    host = bundle.host()
    assert host.get("pets") is host.get("pets")
    assert bundle.opened == [OLD]


def test_a_new_release_answers_after_refresh_seconds(bundle: Bundle) -> None:
    bundle.publish("pets", OLD, b"old")
    host = bundle.host()
    assert answer(host) == b"old"
    bundle.publish("pets", NEW, b"new")
    bundle.now = 29.9
    assert answer(host) == b"old"
    bundle.now = 30.0
    assert answer(host) == b"new"
    bundle.now = 1000.0
    assert answer(host) == b"new"
    assert bundle.opened == [OLD, NEW]


def test_going_back_takes_as_long_and_loads_nothing(bundle: Bundle) -> None:
    bundle.publish("pets", OLD, b"old")
    host = bundle.host()
    answer(host)
    bundle.publish("pets", NEW, b"new")
    bundle.now = 30.0
    answer(host)
    bundle.point("pets", Pointer(OLD, previous=NEW, revision=3))
    bundle.now = 60.0
    assert answer(host) == b"old"
    assert bundle.opened == [OLD, NEW]


def test_a_release_that_does_not_load_never_replaces_one_that_serves(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    bundle.publish("pets", OLD, b"old")
    host = bundle.host()
    answer(host)
    bundle.publish("pets", NEW, b"broken")
    for refresh in (1, 2):
        bundle.now = refresh * 30.0
        assert [answer(host), answer(host)] == [b"old", b"old"]
    assert bundle.opened == [OLD, NEW, NEW]  # tried again once per refresh
    assert f"pets: the live release does not load; {OLD} keeps answering" in caplog.text
    bundle.add("pets", NEW, b"repaired")
    bundle.now = 90.0
    assert answer(host) == b"repaired"


@pytest.mark.parametrize("damage", ["pointer", "manifest", "missing manifest", "another's manifest", "other kind"])
def test_the_old_release_keeps_answering_if_the_new_one_is_damaged(
    bundle: Bundle, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    bundle.publish("pets", OLD, b"old")
    host = bundle.host()
    answer(host)
    bundle.publish("pets", NEW, b"new")
    manifest_key = file_key("pets", NEW, MANIFEST)
    if damage == "pointer":
        bundle.store.put(pointer_key("pets"), b"{}")
    elif damage == "manifest":
        bundle.store.put(manifest_key, b"{}")
    elif damage == "missing manifest":
        bundle.store.delete(manifest_key)
    elif damage == "another's manifest":
        bundle.store.put(manifest_key, bundle.store.get(file_key("pets", OLD, MANIFEST)).data)
    else:
        document = bundle.store.get(manifest_key).data
        bundle.store.put(manifest_key, document.replace(b'"classifier"', b'"recommender"'))
    bundle.now = 30.0
    assert answer(host) == b"old"
    assert "does not load" in caplog.text


def test_if_the_first_release_does_not_load_the_caller_gets_the_error(bundle: Bundle) -> None:
    bundle.publish("pets", OLD, b"broken")
    host = bundle.host()
    for _ in range(2):
        with pytest.raises(InvalidModel):
            host.get("pets")
    bundle.publish("pets", NEW, b"new")
    assert answer(host) == b"new"


@pytest.mark.parametrize("damage", ["missing", "broken", "truncated", "manifest"])
def test_a_new_process_answers_from_the_previous_release_if_the_live_one_does_not_load(
    bundle: Bundle, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    bundle.add("pets", OLD, b"old")
    if damage != "missing":
        bundle.add(
            "pets", NEW, b"broken" if damage == "broken" else b"new", stated=b"new, whole" * (damage == "truncated")
        )
    if damage == "manifest":
        bundle.store.put(file_key("pets", NEW, MANIFEST), b"{")
    bundle.point("pets", Pointer(NEW, previous=OLD, canary=OLD, canary_percent=100))
    host = bundle.host()
    served = host.get("pets", key="any")
    assert (served.value.answer(), served.manifest.release) == (b"old", OLD)
    assert f"pets: the live release {NEW} does not load; {OLD} answers" in caplog.text
    for refresh in (1, 2):
        bundle.now = refresh * 30.0
        assert [answer(host), answer(host)] == [b"old", b"old"]
    bundle.add("pets", NEW, b"repaired")
    assert answer(host) == b"old"
    bundle.now = 90.0
    assert answer(host) == b"repaired"


def test_a_rejected_previous_release_does_not_answer(bundle: Bundle) -> None:
    bundle.add("pets", OLD, b"old")
    bundle.store.put(file_key("pets", OLD, "rejected.json"), b"{}")
    bundle.add("pets", NEW, b"broken")
    bundle.point("pets", Pointer(NEW, previous=OLD))
    with pytest.raises(InvalidModel, match="broken"):
        bundle.host().get("pets")


def test_if_neither_loads_the_error_is_that_of_the_live_release(bundle: Bundle) -> None:
    bundle.add("pets", OLD, b"broken as well")
    bundle.point("pets", Pointer(NEW, previous=OLD))
    with pytest.raises(MissingObject, match=NEW):
        bundle.host().get("pets")


def test_an_unknown_model(bundle: Bundle) -> None:
    bundle.publish("pets", OLD, b"old")
    host = bundle.host()
    with pytest.raises(NotFound, match="Model 'pet' does not exist: GET /v1/models lists"):
        host.get("pet")
    with pytest.raises(NotFound):
        host.get("pet", release=OLD)
    bundle.publish("pet", NEW, b"new")
    assert answer(host, "pet") == b"new"  # unknown models are not cached


def test_a_model_without_a_live_release(bundle: Bundle) -> None:
    bundle.add("pets", OLD, b"old")
    host = bundle.host()
    with pytest.raises(NotReady, match="No release of model pets is live yet"):
        host.get("pets")
    assert answer(host, release=OLD) == b"old"
    bundle.point("pets", Pointer(OLD))
    assert answer(host) == b"old"


def test_deleting_the_pointer_unpublishes_the_model(bundle: Bundle) -> None:
    bundle.publish("pets", OLD, b"old")
    host = bundle.host()
    answer(host)
    bundle.store.delete(pointer_key("pets"))
    bundle.now = 30.0
    with pytest.raises(NotReady):
        host.get("pets")


def test_the_error_for_a_model_of_the_other_kind_names_its_route(bundle: Bundle) -> None:
    bundle.publish("pets", OLD, b"old")
    host = ModelHost(bundle.store, "recommender", Toy, cache_dir=bundle.cache_dir, max_bytes=1)
    with pytest.raises(NotFound, match="pets is a classifier, not a recommender: use POST"):
        host.get("pets")


@pytest.mark.parametrize("name", ["", "../pets", "pets/../x", "PETS", "a" * 64, "pets\n"])
def test_invalid_names(bundle: Bundle, name: str) -> None:
    bundle.publish("pets", OLD, b"old")
    host = bundle.host()
    with pytest.raises(InvalidRequest):
        host.get(name)
    with pytest.raises(InvalidRequest):
        host.get("pets", release=name)


def test_a_request_may_name_a_release(bundle: Bundle) -> None:
    bundle.add("pets", OLD, b"old")
    bundle.publish("pets", NEW, b"new")
    host = bundle.host()
    assert [answer(host), answer(host, release=OLD), answer(host)] == [b"new", b"old", b"new"]
    with pytest.raises(NotFound, match="has no release '20260103t000000z-00000003'"):
        host.get("pets", release="20260103t000000z-00000003")


def test_a_rejected_release_does_not_answer_by_name(bundle: Bundle) -> None:
    bundle.publish("pets", OLD, b"old")
    bundle.add("pets", NEW, b"new")
    bundle.store.put(file_key("pets", NEW, "rejected.json"), b"{}")
    with pytest.raises(NotFound, match="was rejected"):
        bundle.host().get("pets", release=NEW)
    assert bundle.opened == []


def test_the_callers_key_always_chooses_the_same_of_canary_and_stable(bundle: Bundle) -> None:
    bundle.add("pets", OLD, b"old")
    bundle.add("pets", NEW, b"new")
    pointer = Pointer(OLD, canary=NEW, canary_percent=30)
    bundle.point("pets", pointer)
    host = bundle.host()
    answers = {f"user-{number}": answer(host, key=f"user-{number}") for number in range(200)}
    assert answers == {key: b"new" if pointer.choose(key) == NEW else b"old" for key in answers}
    assert 30 <= list(answers.values()).count(b"new") <= 90
    assert answer(host) == b"old"


def test_stable_answers_all_if_the_canary_does_not_load(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    bundle.add("pets", OLD, b"old")
    bundle.add("pets", NEW, b"broken")
    bundle.point("pets", Pointer(OLD, canary=NEW, canary_percent=100))
    host = bundle.host()
    assert {answer(host, key=str(number)) for number in range(20)} == {b"old"}
    assert f"the canary {NEW} does not load" in caplog.text
    bundle.add("pets", NEW, b"repaired")
    bundle.now = 30.0
    assert answer(host, key="1") == b"repaired"


def test_the_least_recently_used_release_is_evicted(bundle: Bundle) -> None:
    for model in ("a", "b", "c"):
        bundle.publish(model, OLD, model.encode() * 40)
    host = bundle.host(max_bytes=100)
    references = {model: weakref.ref(host.get(model).value) for model in ("a", "b")}
    answer(host, "a")
    host.get("c")
    gc.collect()
    assert references["a"]() is not None
    assert references["b"]() is None
    assert answer(host, "b") == b"b" * 40  # loaded again on demand
    assert len(bundle.opened) == 4


def test_a_release_above_the_limit_still_serves(bundle: Bundle) -> None:
    bundle.publish("a", OLD, b"a" * 40)
    bundle.publish("b", OLD, b"b" * 400)
    host = bundle.host(max_bytes=100)
    assert [len(answer(host, model)) for model in ("a", "b", "b", "a", "a")] == [40, 400, 400, 40, 40]
    assert len(bundle.opened) == 3


def test_a_request_that_uses_an_evicted_release_is_not_interrupted(bundle: Bundle) -> None:
    """GIVEN a request that uses a release WHEN it is replaced and evicted THEN it stays open for the request."""
    bundle.publish("pets", OLD, b"o" * 90)
    host = bundle.host(max_bytes=100)
    running = host.get("pets")
    bundle.publish("pets", NEW, b"n" * 90)
    bundle.now = 30.0
    assert answer(host) == b"n" * 90
    gc.collect()
    assert running.value.answer() == b"o" * 90
    assert running.files.path("model.onnx").read_bytes() == b"o" * 90  # its file was not evicted
    reference = weakref.ref(running.value)
    del running
    gc.collect()
    assert reference() is None


def test_close_closes_loaded_releases(bundle: Bundle) -> None:
    bundle.publish("pets", OLD, b"old")
    host = bundle.host()
    value = host.get("pets").value
    host.close()
    assert value.closed


def test_one_of_many_threads_loads_the_release(bundle: Bundle) -> None:
    bundle.publish("pets", OLD, b"old")
    host = bundle.host()
    served: list[LoadedRelease[Toy]] = []
    together([lambda: served.append(host.get("pets"))] * 20)
    assert len(served) == 20
    assert len({id(loaded.value) for loaded in served}) == 1
    assert bundle.opened == [OLD]


def test_the_old_release_answers_while_the_new_one_loads(bundle: Bundle) -> None:
    bundle.publish("pets", OLD, b"old")
    host = bundle.host()
    answer(host)
    bundle.publish("pets", NEW, b"new")
    bundle.now = 30.0
    opening, may_open = threading.Event(), threading.Event()

    def block(_: str) -> None:
        opening.set()
        assert may_open.wait(30)

    bundle.before_opening = block
    answers: list[bytes] = []

    def others() -> None:
        assert opening.wait(30)
        try:
            answers.extend(answer(host) for _ in range(50))
        finally:
            may_open.set()

    together([lambda: answers.append(answer(host)), others])
    assert answers == [b"old"] * 50 + [b"new"]


def test_twenty_clients_see_the_new_release_and_no_error(bundle: Bundle) -> None:
    bundle.publish("pets", OLD, b"old")
    host = bundle.host(refresh_seconds=0)
    seen: list[list[bytes]] = []
    barrier = threading.Barrier(21)

    def client() -> None:
        answers = [answer(host)]
        barrier.wait(30)
        while answers[-1] == b"old":
            answers.append(answer(host))
        seen.append(answers)

    def publisher() -> None:
        barrier.wait(30)
        bundle.publish("pets", NEW, b"new")

    together([client] * 20 + [publisher])
    assert [answers[-1] for answers in seen] == [b"new"] * 20
    assert bundle.opened == [OLD, NEW]


def test_a_failing_store_at_a_refresh_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, s3_url: str, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    bundle.publish("pets", OLD, b"old")
    host = bundle.host()
    answer(host)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    host._registry = Registry(open_store(s3_url))  # no server listens there
    bundle.now = 30.0
    with caplog.at_level(logging.WARNING):
        assert answer(host) == b"old"
    assert "The store failed" in caplog.text


def test_a_corrupt_file_is_never_loaded(bundle: Bundle) -> None:
    bundle.add("pets", OLD, b"flipped", stated=b"stated!")
    bundle.point("pets", Pointer(OLD))
    with pytest.raises(ReleaseError, match=r"model\.onnx of release .* differs from its manifest"):
        bundle.host().get("pets")
    assert bundle.cached() == []


def test_with_0_seconds_the_next_request_gets_the_new_release(bundle: Bundle) -> None:
    bundle.publish("pets", OLD, b"old")
    host = bundle.host(refresh_seconds=0)
    assert host.get("pets").value.answer() == b"old"
    bundle.publish("pets", NEW, b"new")
    assert host.get("pets").value.answer() == b"new"


def test_with_0_seconds_a_release_that_does_not_load_is_opened_once_a_second(bundle: Bundle) -> None:
    bundle.publish("pets", OLD, b"old")
    host = bundle.host(refresh_seconds=0)
    host.get("pets")
    bundle.publish("pets", NEW, b"broken")
    for now in (1.0, 1.1, 1.9, 2.0):
        bundle.now = now
        assert host.get("pets").value.answer() == b"old"
    assert bundle.opened == [OLD, NEW, NEW]

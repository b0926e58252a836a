"""Rollouts on real stores: which releases go live, which are rejected and why, and that the live one stays live."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from obstore.store import MemoryStore
from tests.toys.measured import with_accuracy

from larder.errors import Conflict, InvalidRequest, InvalidTable, MissingObject, NotFound, ReleaseError, StoreError
from larder.host import ModelHost, ReleaseFiles
from larder.registry import Registry, Rejection
from larder.registry.policy import RolloutPolicy, write_policy
from larder.registry.rollout_records import begin, read_record, write_record
from larder.release import manifest as manifests
from larder.release.keys import MANIFEST, ROLLOUT, file_key, pointer_key
from larder.release.manifest import Manifest
from larder.release.pointer import Pointer, parse_pointer
from larder.rollout import Upload, roll_out, upload, verify
from larder.store import Store, open_store

Write = Callable[..., Path]


@pytest.fixture(params=["memory", "folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "s3":
        return open_store(str(request.getfixturevalue("s3_url")))
    return open_store("memory://" if request.param == "memory" else f"file://{tmp_path}/store")


def pointer_of(store: Store, model: str) -> Pointer:
    return parse_pointer(store.get(pointer_key(model)).data)


def rejected(store: Store, model: str, release: str) -> str:
    reason = json.loads(store.get(file_key(model, release, "rejected.json")).data)["reason"]
    assert isinstance(reason, str)
    return reason


class ToyModel:
    nbytes = 1

    def __init__(self, files: ReleaseFiles) -> None:
        self.release = files.manifest.release

    def close(self) -> None:
        pass


def answering(store: Store, manifest: Manifest, folder: Path) -> str:
    """The release that a new process would serve."""
    host = ModelHost(store, manifest.kind, ToyModel, cache_dir=folder / "cache", max_bytes=2**20)
    return host.get(manifest.model).value.release


# Releases that go live


@pytest.mark.parametrize("kind", ["classifier", "recommender"])
def test_a_valid_release_goes_live(store: Store, kind: str, request: pytest.FixtureRequest) -> None:
    write: Write = request.getfixturevalue(kind)
    manifest = upload(write(), store).manifest
    probed: list[Manifest] = []
    outcome = roll_out(store, manifest.model, manifest.release, probed.append)
    assert (outcome.state, outcome.reason, outcome.pointer) == ("promoted", None, Pointer(manifest.release))
    assert pointer_of(store, manifest.model) == Pointer(manifest.release)
    assert probed == [manifest]


def test_a_release_without_transitions_goes_live(store: Store, recommender: Write) -> None:
    manifest = upload(recommender(transition_rows=0), store).manifest
    assert roll_out(store, "shop", manifest.release).state == "promoted"


def test_transitions_without_a_row_per_item_are_refused(store: Store, recommender: Write) -> None:
    manifest = upload(recommender(transition_rows=3), store).manifest
    with pytest.raises(InvalidTable, match=r"transitions\.safetensors has 3 rows for 4 items: train a new release"):
        verify(store, "shop", manifest.release)


def test_the_replaced_release_becomes_previous(store: Store, recommender: Write) -> None:
    first, second = (upload(recommender(hour), store).manifest for hour in (1, 2))
    roll_out(store, "shop", first.release)
    outcome = roll_out(store, "shop", second.release)
    assert outcome.pointer == pointer_of(store, "shop") == Pointer(second.release, previous=first.release, revision=2)


@pytest.mark.parametrize("event", [True, False])
def test_a_worse_release_is_rejected_with_both_numbers(store: Store, classifier: Write, event: bool) -> None:
    # GIVEN a live release, and one whose accuracy on the same images is lower
    good, worse, better = (
        upload(with_accuracy(classifier(hour), accuracy), store).manifest
        for hour, accuracy in ((1, 0.9), (2, 0.25), (3, 0.95))
    )
    roll_out(store, "pets", good.release)
    # WHEN its manifest arrives, or a person publishes it
    outcome = roll_out(store, "pets", worse.release, _never, event=event)
    # THEN it is rejected before any golden request, the live one stays, and the reason has both numbers
    assert outcome.state == "rejected"
    reason = rejected(store, "pets", worse.release)
    assert "new accuracy 25.0 %" in reason
    assert "live accuracy 90.0 %" in reason
    assert pointer_of(store, "pets") == Pointer(good.release)
    # AND a better one goes live, and the person may insist on the worse one
    assert roll_out(store, "pets", better.release, event=event).state == "promoted"
    assert roll_out(store, "pets", worse.release, gate=False).state == "promoted"


def test_the_margin_of_the_policy_lets_a_release_lose_as_much(store: Store, classifier: Write) -> None:
    good, worse = (
        upload(with_accuracy(classifier(hour), accuracy), store).manifest for hour, accuracy in ((1, 0.9), (2, 0.84))
    )
    roll_out(store, "pets", good.release)
    assert roll_out(store, "pets", worse.release).state == "rejected"
    write_policy(store, "pets", RolloutPolicy(margin=0.05), None)
    assert roll_out(store, "pets", worse.release).state == "promoted"


def test_the_policy_removes_old_releases_but_none_that_the_pointer_names(store: Store, recommender: Write) -> None:
    write_policy(store, "shop", RolloutPolicy(keep=2), None)
    names = [upload(recommender(hour), store).manifest.release for hour in range(1, 6)]
    oldest, running, old, newer, newest = names
    write_record(Registry(store), "shop", running, begin(event=True))

    def left_after(release: str) -> set[str]:
        assert roll_out(store, "shop", release).state == "promoted"
        return set(Registry(store).releases("shop"))

    assert left_after(oldest) == {oldest, running, newer, newest}  # of the older ones, it is live
    assert old not in Registry(store).releases("shop")
    assert left_after(newest) == {oldest, running, newer, newest}  # and now the previous one
    assert left_after(newer) == {running, newer, newest}


def test_rolling_out_twice_changes_nothing(store: Store, recommender: Write) -> None:
    manifest = upload(recommender(), store).manifest
    roll_out(store, "shop", manifest.release)
    before = store.get(pointer_key("shop"))
    outcome = roll_out(store, "shop", manifest.release, event=True)
    assert (outcome.state, outcome.reason, outcome.pointer) == (
        "kept",
        "It is live already.",
        Pointer(manifest.release),
    )
    assert store.get(pointer_key("shop")) == before


def test_a_late_event_of_an_old_release_changes_nothing(store: Store, recommender: Write) -> None:
    first, second, third = (upload(recommender(hour), store).manifest for hour in (1, 2, 3))
    for manifest in (second, third):
        roll_out(store, "shop", manifest.release, event=True)
    for manifest in (second, first):
        assert roll_out(store, "shop", manifest.release, event=True).state == "kept"
    assert pointer_of(store, "shop").stable == third.release
    assert roll_out(store, "shop", first.release).state == "promoted"  # a person may go back


def test_an_old_release_whose_checks_take_longer_does_not_replace_a_newer_one(store: Store, recommender: Write) -> None:
    # GIVEN two events, and the new release goes live while the old one is probed
    first, second = (upload(recommender(hour), store).manifest for hour in (1, 2))

    def slow(_: Manifest) -> None:
        assert roll_out(store, "shop", second.release, event=True).state == "promoted"

    # WHEN the rollout of the old one ends THEN the pointer stays, and the outcome says why
    outcome = roll_out(store, "shop", first.release, slow, event=True)
    assert (outcome.state, outcome.pointer) == ("kept", Pointer(second.release))
    assert outcome.reason == f"The live release {second.release} is newer: promote this one by name to go back."
    assert pointer_of(store, "shop") == Pointer(second.release)


def test_a_canary_answers_beside_the_live_release_and_a_repeated_upload_does_not_promote_it(
    store: Store, recommender: Write
) -> None:
    first, second = (upload(recommender(hour), store).manifest for hour in (1, 2))
    roll_out(store, "shop", first.release)
    started = roll_out(store, "shop", second.release, canary_percent=5)
    expected = Pointer(first.release, canary=second.release, canary_percent=5, revision=2)
    assert (started.state, started.reason, started.pointer) == ("canary", None, expected)

    again = roll_out(store, "shop", second.release, canary_percent=5)
    event = roll_out(store, "shop", second.release, event=True)
    assert {again.state, event.state} == {"kept"}
    assert pointer_of(store, "shop") == expected

    promoted = roll_out(store, "shop", second.release)
    assert promoted.pointer == Pointer(second.release, previous=first.release, revision=3)


def test_a_canary_that_became_live_during_its_checks_stays_live(store: Store, recommender: Write) -> None:
    first, second = (upload(recommender(hour), store).manifest for hour in (1, 2))
    roll_out(store, "shop", first.release)

    def slow(_: Manifest) -> None:
        assert roll_out(store, "shop", second.release).state == "promoted"

    outcome = roll_out(store, "shop", second.release, slow, canary_percent=5)
    assert (outcome.state, outcome.reason) == ("kept", "It is live already.")
    assert outcome.pointer == Pointer(second.release, previous=first.release, revision=2)


def test_concurrent_rollouts_all_succeed_once(store: Store, recommender: Write) -> None:
    uploads = [upload(recommender(hour), store).manifest for hour in range(6)]
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda manifest: roll_out(store, "shop", manifest.release), uploads))
    pointers = sorted((outcome.pointer for outcome in outcomes if outcome.pointer), key=lambda seen: seen.revision)
    assert {outcome.state for outcome in outcomes} == {"promoted"}
    assert [pointer.revision for pointer in pointers] == [1, 2, 3, 4, 5, 6]
    assert [pointer.previous for pointer in pointers] == [None, *(pointer.stable for pointer in pointers[:-1])]
    assert pointer_of(store, "shop") == pointers[-1]


# Uploading


def test_upload_writes_the_manifest_last_and_only_once(classifier: Write) -> None:
    keys: list[str] = []

    class RecordingStore(Store):
        def put(self, key: str, data: bytes, *, etag: str | None = None, create: bool = False) -> str:
            keys.append(key)
            return super().put(key, data, etag=etag, create=create)

        def upload(self, key: str, path: Path) -> None:
            keys.append(key)
            super().upload(key, path)

    store = RecordingStore("memory://", MemoryStore())
    folder = classifier()
    manifest = upload(folder, store).manifest
    assert manifest == manifests.parse((folder / MANIFEST).read_bytes())
    assert sorted(keys[:-1]) == [file_key("pets", manifest.release, name) for name in sorted(manifest.files)]
    assert keys[-1] == file_key("pets", manifest.release, MANIFEST)
    assert upload(folder, store) == Upload(manifest, (), 0)
    assert len(keys) == len(manifest.files) + 1
    store.delete(file_key("pets", manifest.release, "report.html"))
    assert upload(folder, store).sent == ("report.html",)
    assert keys[len(manifest.files) + 1 :] == [file_key("pets", manifest.release, "report.html")]


def test_upload_never_replaces_another_release(store: Store, classifier: Write) -> None:
    folder = classifier()
    manifest = upload(folder, store).manifest
    (folder / MANIFEST).write_bytes(manifests.dump(replace(manifest, evaluation={"accuracy": 1})))
    with pytest.raises(Conflict, match="another release pets/"):
        upload(folder, store)
    assert verify(store, "pets", manifest.release) == manifest


@pytest.mark.parametrize("damage", ["no manifest", "no folder", "missing file", "short file", "flipped byte"])
def test_upload_refuses_an_incomplete_folder_and_sends_nothing(classifier: Write, damage: str) -> None:
    folder, store = classifier(), open_store("memory://")
    if damage == "no manifest":
        (folder / MANIFEST).unlink()
    elif damage == "no folder":
        shutil.rmtree(folder)
    elif damage == "missing file":
        (folder / "model.onnx").unlink()
    elif damage == "flipped byte":
        data = bytearray((folder / "model.onnx").read_bytes())
        data[0] ^= 1
        (folder / "model.onnx").write_bytes(data)
    else:
        (folder / "model.onnx").write_bytes(b"short")
    with pytest.raises(ReleaseError):
        upload(folder, store)
    assert list(store.list()) == []


# Releases that are rejected


def restate(folder: Path, **changes: object) -> None:
    """Rewrites the manifest with ``changes``, and with the current length and SHA-256 of each file."""
    document = json.loads((folder / MANIFEST).read_bytes())
    for name in document["files"]:
        data = (folder / name).read_bytes()
        document["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(document | changes))


def flip(folder: Path) -> None:
    data = bytearray((folder / "neighbours.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "neighbours.safetensors").write_bytes(data)


def truncate(folder: Path) -> None:
    data = (folder / "users.safetensors").read_bytes()
    (folder / "users.safetensors").write_bytes(data[:-1])


def truncate_and_restate(folder: Path) -> None:
    truncate(folder)
    restate(folder)


def add_truncated(folder: Path) -> None:
    data = (folder / "segments.safetensors").read_bytes()[:-7]
    (folder / "extra.safetensors").write_bytes(data)
    document = json.loads((folder / MANIFEST).read_bytes())
    document["files"]["extra.safetensors"] = {}
    (folder / MANIFEST).write_text(json.dumps(document))
    restate(folder)


def change_serving(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        serving = json.loads((folder / MANIFEST).read_bytes())["serving"]
        restate(folder, serving=serving | changes)

    return change


def overwrite(name: str, offset: int, data: bytes) -> Callable[[Path], None]:
    """Replaces bytes at ``offset`` (from the end) and updates the SHA-256, so that only the content is invalid."""

    def change(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        start = len(content) + offset
        content[start : start + len(data)] = data
        (folder / name).write_bytes(content)
        restate(folder)

    return change


def list_file(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        document = json.loads((folder / MANIFEST).read_bytes())
        document["files"][name] = {"bytes": 3, "sha256": "a" * 64}
        (folder / MANIFEST).write_text(json.dumps(document))

    return change


def drop_from_manifest(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        document = json.loads((folder / MANIFEST).read_bytes())
        del document["files"][name]
        (folder / MANIFEST).write_text(json.dumps(document))

    return change


INVALID: dict[str, tuple[Callable[[Path], object], str]] = {
    "flipped byte": (flip, r"neighbours\.safetensors is damaged: its SHA-256 is "),
    "missing file": (lambda folder: (folder / "items.safetensors").unlink(), r"items\.safetensors is missing, but"),
    "truncated": (truncate, r"users\.safetensors has \d+ bytes, but the manifest states \d+"),
    "larger than stated": (
        lambda folder: (folder / "report.html").write_bytes(b"<p>!"),
        r"report\.html has 4 bytes, but the manifest states 3",
    ),
    "truncated table with its digest": (truncate_and_restate, r"users\.safetensors: .* is truncated"),
    "extra truncated table": (add_truncated, r"extra\.safetensors: .* is truncated"),
    "future format": (lambda folder: restate(folder, format=5), r"format: this version of Larder reads 1 to 4 only"),
    "no JSON": (lambda folder: (folder / MANIFEST).write_bytes(b"{"), "it is not JSON"),
    "4 MiB of manifest": (
        lambda folder: (folder / MANIFEST).write_bytes(b" " * (4 * 2**20 + 1)),
        "the limit is 4194304",
    ),
    "another model's": (lambda folder: restate(folder, model="toys"), r"model: is 'toys', but the folder is 'shop'"),
    "another release's": (lambda folder: restate(folder, release="r-2"), r"release: is 'r-2', but the folder is '2026"),
    "climbing name": (list_file("../live.json"), r"'\.\./live\.json' is not a file name"),
    "name with a folder": (list_file("a/b"), r"'a/b' is not a file name"),
    "climbing table": (change_serving(items_file="../items.safetensors"), r"serving\.items_file: is '\.\./items"),
    "no probes": (drop_from_manifest("probes.safetensors"), r"probes\.safetensors is missing"),
    "other number of items": (change_serving(items=5), r"items\.safetensors has 4 items .* states 5"),
    "other columns": (change_serving(columns={"BRAND": "text"}), r"items\.safetensors has 4 items with columns"),
    "an event type out of range": (
        overwrite("interactions.safetensors", -2, b"\0\x40"),
        r"interactions\.safetensors: row 1 has a score that is not a whole number from 0 to 1",
    ),
    "an event type that is a fraction": (
        overwrite("interactions.safetensors", -2, b"\0\x38"),
        r"interactions\.safetensors: row 1 has a score that is not a whole number from 0 to 1",
    ),
    "an event of an item out of range": (
        overwrite("interactions.safetensors", -12, b"\x04\0\0\0"),
        r"interactions\.safetensors: row 1 has item 4, but there are 4 items",
    ),
    "a profile out of range": (
        overwrite("user-profiles.safetensors", -6, b"\x02\0\0\0"),
        r"user-profiles\.safetensors: row 1 has item 2, but there are 2 items",
    ),
    "another number of profiles": (
        change_serving(
            profiles={
                "users": {"file": "user-profiles.safetensors", "rows": 2, "width": 1, "head_bytes": 264},
                "file": "profiles.safetensors",
                "profiles": 3,
                "columns": {"AGE": "number"},
            }
        ),
        r"profiles\.safetensors has 2 profiles with columns {'AGE': 'number'}, but the manifest states 3",
    ),
    "a rule that asks about the user": (
        change_serving(rules=['EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")']),
        r"serving\.rules: A release's own filters have conditions on Items only",
    ),
    "unknown column in a rule": (
        change_serving(rules=['EXCLUDE ItemID WHERE Items.COLOR IN ("red")']),
        r"serving\.rules: .*COLOR",
    ),
    "not a filter": (change_serving(rules=["DROP TABLE"]), r"serving\.rules: "),
    "item out of range": (
        overwrite("neighbours.safetensors", -12, b"\x04\0\0\0"),
        r"neighbours\.safetensors: row 3 has item 4",
    ),
    "transition to an item out of range": (
        overwrite("transitions.safetensors", -12, b"\x04\0\0\0"),
        r"transitions\.safetensors: row 3 has item 4",
    ),
    "transition's score that is not a number": (
        overwrite("transitions.safetensors", -2, b"\0\x7e"),
        r"transitions\.safetensors: row 3 has a score",
    ),
    "no transitions with a weight": (
        change_serving(transitions=None),
        r"serving\.weights\.transition: is above 0, but the release has no table",
    ),
    "users for transitions": (
        change_serving(transitions={"file": "users.safetensors", "rows": 4, "width": 2, "head_bytes": 300}),
        r"users\.safetensors: ",
    ),
    "score that is not a number": (
        overwrite("users.safetensors", -2, b"\0\x7e"),
        r"users\.safetensors: row \d+ has a score",
    ),
    "keys out of order": (
        overwrite("users.safetensors", -300 * 18 - 8, b"\0" * 8),
        r"users\.safetensors: its keys do not ascend",
    ),
}


@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_release_is_rejected_and_the_old_one_stays_live(
    store: Store, recommender: Write, tmp_path: Path, case: str
) -> None:
    damage, reason = INVALID[case]
    good = upload(recommender(1), store).manifest
    roll_out(store, "shop", good.release)
    before = store.get(pointer_key("shop"))
    bad = recommender(2)
    damage(bad)
    for path in bad.iterdir():  # an upload without Larder's checks
        store.upload(file_key("shop", bad.name, path.name), path)
    outcome = roll_out(store, "shop", bad.name, _never)
    assert outcome.state == "rejected"
    assert outcome.reason is not None
    assert rejected(store, "shop", bad.name) == outcome.reason
    assert re.search(reason, outcome.reason), outcome.reason
    assert str(tmp_path) not in outcome.reason
    assert store.get(pointer_key("shop")) == before
    assert answering(store, good, tmp_path) == good.release


def _never(_: Manifest) -> None:
    pytest.fail("a release that was not verified was probed")


def test_a_failing_probe_rejects(store: Store, recommender: Write) -> None:
    manifest = upload(recommender(), store).manifest

    def fail(_: Manifest) -> None:
        raise ReleaseError("Golden request 2 has b in place of a: train it again.")

    def crash(_: Manifest) -> None:
        raise ZeroDivisionError("/secret/path")

    assert (
        roll_out(store, "shop", manifest.release, fail).reason
        == "Golden request 2 has b in place of a: train it again."
    )
    reason = roll_out(store, "shop", manifest.release, crash).reason
    assert reason == "A check failed (ZeroDivisionError): see the log, then train and publish a new release."
    assert rejected(store, "shop", manifest.release) == reason
    with pytest.raises(MissingObject):
        pointer_of(store, "shop")


def test_a_failing_store_leaves_the_release_undecided(store: Store, recommender: Write) -> None:
    manifest = upload(recommender(), store).manifest

    def unreachable(_: Manifest) -> None:
        raise StoreError("The store failed: try again.")

    with pytest.raises(StoreError, match="try again"):
        roll_out(store, "shop", manifest.release, unreachable)
    assert {entry.key.rpartition("/")[2] for entry in store.list()} == {*manifest.files, MANIFEST, ROLLOUT}
    record = read_record(Registry(store), "shop", manifest.release)
    assert record is not None
    assert (record.state, [step.step for step in record.steps], record.checked) == ("running", ["verify"], False)


def test_a_repeated_rejection_writes_once_and_a_repaired_release_goes_live(store: Store, recommender: Write) -> None:
    folder = recommender()
    manifest = upload(folder, store).manifest
    key = file_key("shop", manifest.release, "items.safetensors")
    store.delete(key)
    for _ in range(2):
        assert roll_out(store, "shop", manifest.release).state == "rejected"
    etag = store.get(file_key("shop", manifest.release, "rejected.json")).etag
    rejection = Rejection(rejected(store, "shop", manifest.release), damaged=True)
    Registry(store).reject("shop", manifest.release, rejection)
    assert store.get(file_key("shop", manifest.release, "rejected.json")).etag == etag
    assert roll_out(store, "shop", manifest.release, event=True).state == "kept"
    assert upload(folder, store).sent == ("items.safetensors", MANIFEST)
    assert roll_out(store, "shop", manifest.release).state == "promoted"
    assert "rejected.json" not in {entry.key.rpartition("/")[2] for entry in store.list()}


@pytest.mark.parametrize("name", ["items.safetensors", MANIFEST])
def test_a_release_that_was_rejected_for_damaged_bytes_goes_live_when_it_is_uploaded_intact(
    store: Store, recommender: Write, name: str
) -> None:
    # GIVEN a release with one wrong byte of the right length, which an event rejected
    folder = recommender()
    manifest = upload(folder, store).manifest
    key = file_key("shop", manifest.release, name)
    intact = store.get(key).data
    store.put(key, bytes([intact[0] ^ 1]) + intact[1:])
    assert roll_out(store, "shop", manifest.release, event=True).state == "rejected"
    # WHEN it is uploaded again THEN only what differs is sent, the manifest last, and the next event promotes it
    assert upload(folder, store).sent == tuple(dict.fromkeys([name, MANIFEST]))
    assert roll_out(store, "shop", manifest.release, event=True).state == "promoted"


def test_an_event_does_not_repeat_the_checks_of_a_release_that_failed_for_another_reason(
    store: Store, recommender: Write
) -> None:
    manifest = upload(recommender(), store).manifest

    def fail(_: Manifest) -> None:
        raise ReleaseError("Golden request 2 has b in place of a: train it again.")

    roll_out(store, "shop", manifest.release, fail)
    assert upload(recommender(), store).sent == ()
    assert roll_out(store, "shop", manifest.release, _never, event=True).state == "kept"


def test_a_model_keeps_its_kind(store: Store, classifier: Write, recommender: Write) -> None:
    shop = upload(recommender(), store).manifest
    roll_out(store, "shop", shop.release)
    folder = classifier()
    restate(folder, model="shop")
    manifest = upload(folder, store).manifest
    outcome = roll_out(store, "shop", manifest.release)
    assert outcome.state == "rejected"
    assert outcome.reason == "Model shop is a recommender and this release is a classifier: give it another name."


@pytest.mark.parametrize(
    ("model", "release"), [("../shop", "r1"), ("shop", "../r1"), ("shop", ""), ("", "r1"), ("a/b", "r")]
)
def test_invalid_names_write_nothing(store: Store, model: str, release: str) -> None:
    for call in (
        lambda: roll_out(store, model, release),
        lambda: Registry(store).reject(model, release, Rejection("x")),
        lambda: verify(store, model, release),
    ):
        with pytest.raises(InvalidRequest):
            call()
    assert list(store.list()) == []


def test_a_release_without_a_manifest_does_not_exist(store: Store) -> None:
    store.put("models/shop/releases/r1/items.safetensors", b"1")
    with pytest.raises(NotFound, match="'shop' has no release 'r1' with a manifest"):
        roll_out(store, "shop", "r1")
    assert len(list(store.list())) == 1


MEASURE = """
import pathlib, re, sys
from larder.rollout import verify
from larder.store import open_store

def peak():  # getrusage would count the parent process
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])

store = open_store(sys.argv[1])
verify(store, "shop", sys.argv[2])
before = peak()
verify(store, "shop", sys.argv[3])
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads a process's peak memory from /proc")
def test_verifying_a_large_table_needs_no_more_memory_than_a_window(recommender: Write, s3_url: str) -> None:
    """GIVEN a table of 96 MB in S3 WHEN it is verified THEN memory grows by less than half of that."""
    store = open_store(s3_url)
    small = upload(recommender(1), store).manifest
    large = upload(recommender(2, users=4000, width=4000), store).manifest
    assert large.files["users.safetensors"].bytes > 96_000_000
    command = [sys.executable, "-c", MEASURE, s3_url, small.release, large.release]
    growth = int(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)  # noqa: S603  # our script
    assert growth < 40_000_000

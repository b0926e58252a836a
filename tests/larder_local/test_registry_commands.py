"""``larder models | releases | publish | rollback | rm``, and which release a model's name takes, on toy releases."""

import json
import sys
import tarfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from tests.toys.measured import with_accuracy
from tests.toys.rollout import classifier, golden_classifier, golden_recommender, recommender

from larder.errors import Conflict
from larder.registry import Registry
from larder.registry.policy import RolloutPolicy
from larder.registry.rollout_records import read_record
from larder.release.pointer import Pointer, dump_pointer, parse_pointer
from larder.store import open_store
from larder_local.cli import main
from larder_local.releases import named
from larder_local.releases.listing import list_releases
from larder_local.releases.removal import remove
from larder_local.workspace import Workspace

__all__ = ["classifier", "golden_classifier", "golden_recommender", "recommender"]  # fixtures
Write = Callable[..., Path]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """An empty working folder."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    monkeypatch.delenv("LARDER_STORE", raising=False)
    monkeypatch.delenv("LARDER_URL", raising=False)
    return Workspace.current()


@pytest.fixture
def trained(home: Workspace, golden_classifier: Write) -> Write:
    """Puts a release of ``pets`` with this accuracy, on this data, among the trained releases of this machine."""

    def train(hour: int, accuracy: float = 0.9, half: float = 0.03, data: str = "a") -> Path:
        written = with_accuracy(golden_classifier(hour), accuracy, half, data)
        home.releases.mkdir(parents=True, exist_ok=True)
        return written.rename(home.releases / written.name)

    return train


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    exit_code: int
    stdout: str
    stderr: str


def larder(*arguments: str) -> Done:
    """Runs a command in this process, with the errors that ``main`` prints."""
    out, err, argv, code = StringIO(), StringIO(), sys.argv, 0
    sys.argv = ["larder", *arguments]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = argv
    return Done(code, out.getvalue(), err.getvalue())


def document(*arguments: str) -> Any:  # noqa: ANN401  a command's JSON
    return json.loads(larder(*arguments, "--json").stdout)


def states(model: str = "pets") -> dict[str, str]:
    return {entry["release"]: entry["state"] for entry in document("releases", model)["releases"]}


def flip(path: Path) -> None:
    """Changes one byte and keeps the length."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def stored(home: Workspace, release: Path, file: str) -> Path:
    return home.root / "store" / "models" / "pets" / "releases" / release.name / file


def test_without_a_model_the_next_command_is_named(home: Workspace) -> None:
    assert "Next: larder train classifier" in larder("models").stdout
    assert document("models") == {"models": []}
    assert not home.root.exists()


def test_models_and_releases_are_aligned_tables_with_states(home: Workspace, trained: Write) -> None:
    first, second, third = trained(1), trained(2, 0.92), trained(3, 0.95)
    for release in (first, second):
        assert larder("publish", str(release)).exit_code == 0
    assert states() == {first.name: "previous", second.name: "live", third.name: "local only"}
    head, *rows = larder("releases", "pets").stdout.splitlines()
    assert head.split() == [
        "release",
        "state",
        "created",
        "quality",
        "(95",
        "%)",
        "in",
        "the",
        "store",
        "on",
        "this",
        "machine",
    ]
    assert len(rows) == 3
    assert all(row.index("accuracy") == head.index("quality") for row in rows)
    assert "accuracy 92.0 % (89.0 % to 95.0 %)" in rows[1]
    (entry,) = document("models")["models"]
    assert (entry["live"], entry["state"], entry["releases"]) == (second.name, "live", 3)
    assert entry["quality"]["value"] == 0.92
    head, row = larder("models").stdout.splitlines()
    assert row.split()[:4] == ["pets", "classifier", "live", second.name]
    del home


def test_the_output_of_a_training_job_is_published_and_kept(home: Workspace, golden_classifier: Write) -> None:
    release = golden_classifier(1)
    with tarfile.open("model.tar.gz", "w:gz") as tar:
        for path in release.iterdir():
            tar.add(path, path.name)
    for _ in range(2):
        done = larder("publish", "model.tar.gz")
        assert done.exit_code == 0, done.stderr
        assert f"Taking {release.name}, the content of model.tar.gz." in done.stderr
    assert states() == {release.name: "live"}
    assert [path.name for path in home.releases.iterdir()] == [release.name]
    with tarfile.open("model.tar.gz", "w:gz") as tar:
        tar.add(release, "nested")
    refused = larder("publish", "model.tar.gz")
    assert refused.exit_code == 1
    assert "'nested' is not a file at its top" in refused.stderr


def test_publishing_prints_both_qualities_and_needs_force_for_a_worse_one(home: Workspace, trained: Write) -> None:
    good, bad = trained(1, 0.9), trained(2, 0.8)
    larder("publish", "pets", "--store", home.store)  # the newest: the bad one
    assert states()[bad.name] == "live"
    better = larder("publish", str(good))
    assert better.exit_code == 0
    assert next(line.split()[:3] for line in better.stdout.splitlines() if line.startswith("accuracy")) == [
        "accuracy",
        "90.0",
        "%",
    ]
    assert "Next: larder classify IMAGE --model pets\nTo go back: larder rollback pets\n" in better.stdout

    worse = trained(3, 0.8)
    refused = larder("publish", "pets")
    assert refused.exit_code == 1
    assert f"Taking {worse.name}, the newest release of pets on this machine" in refused.stderr
    assert "worse than the live" in refused.stderr
    assert f"larder publish {worse.name} --force" in refused.stderr
    assert "Uploaded" not in refused.stdout
    assert states()[worse.name] == "local only"
    assert larder("publish", "pets", "--upload-only").exit_code == 1
    forced = larder("publish", "pets", "--force")
    assert (forced.exit_code, states()[worse.name]) == (0, "live")


def test_the_policy_of_a_model_decides_what_is_worse(home: Workspace, trained: Write) -> None:
    live = trained(1, 0.9)
    larder("publish", "pets")
    worse = trained(2, 0.8)
    assert larder("publish", "pets").exit_code == 1
    shown = larder("policy", "pets")
    assert "headline (accuracy or recall@20)" in shown.stdout
    assert "To change it: larder policy pets --margin 0.01" in shown.stdout
    assert document("policy", "pets", "--margin", "0.1") == asdict(RolloutPolicy(margin=0.1))
    careful = ("--canary", "5", "--canary-hours", "6", "--undecided", "reject", "--approval", "--latency-margin", "0.2")
    assert document("policy", "pets", *careful) == asdict(
        RolloutPolicy(margin=0.1, canary=5, canary_hours=6.0, undecided="reject", approval=True, latency_margin=0.2)
    )
    assert document("policy", "pets", "--canary", "0", "--no-approval")["approval"] is False
    assert larder("publish", "pets").exit_code == 0
    assert (states()[worse.name], states()[live.name]) == ("live", "previous")
    refused = larder("policy", "pets", "--margin", "-1")
    assert (refused.exit_code, "margin: is -1.0" in refused.stderr) == (1, True)
    # A policy that requires a comparison on the same data, and a release of other data
    larder("policy", "pets", "--not-measurable", "reject")
    trained(3, 0.8, data="b")
    strict = larder("publish", "pets")
    assert (strict.exit_code, "on the same data" in strict.stderr) == (1, True)
    del home


def test_two_releases_are_compared_and_the_history_shows_what_was_live(trained: Write) -> None:
    first = trained(1, 0.9)
    larder("publish", "pets")
    second = trained(2, 0.95)
    larder("publish", "pets")
    compared = larder("compare", "pets", first.name)
    assert compared.exit_code == 0, compared.stderr
    assert "Difference -0.0500 (" in compared.stdout
    assert "It is worse beyond noise." in compared.stdout
    assert "labels: 2, 0 new, 0 gone." in compared.stdout
    assert document("compare", "pets", second.name, first.name)["base"] == first.name
    unknown = larder("compare", "pets", second.name, "x")
    assert (unknown.exit_code, "has no release 'x'" in unknown.stderr) == (1, True)

    history = larder("history", "pets")
    assert "To go back: larder rollback pets" in history.stdout
    assert [entry["stable"] for entry in document("history", "pets")] == [second.name, first.name]
    assert [entry["stable"] for entry in document("history", "pets", "-n", "1")] == [second.name]


def test_a_rejected_release_does_not_come_back(trained: Write) -> None:
    first, live = (trained(hour, 0.9) for hour in (1, 3))
    for release in (first, trained(2, 0.9), live):
        larder("publish", str(release))
    refused = larder("reject", "pets", live.name, "Blurred.")
    assert (refused.exit_code, "answers for pets" in refused.stderr) == (1, True)
    rejected = larder("reject", "pets", first.name, "Blurred.")
    assert f"To check it again, and make it live: larder publish {first.name}" in rejected.stdout
    assert "Blurred." in larder("releases", "pets").stdout


def test_a_release_waits_until_a_person_promotes_it(home: Workspace, trained: Write) -> None:
    first, second = trained(1, 0.9), trained(2, 0.9)
    larder("publish", str(first))
    larder("policy", "pets", "--approval")
    waiting = larder("publish", str(second))
    assert f"Next: larder promote pets {second.name}" in waiting.stdout
    assert states() == {first.name: "live", second.name: "uploaded"}
    assert f"in place of {first.name}" in larder("promote", "pets", second.name).stdout
    record = read_record(Registry(open_store((home.root / "store").as_uri())), "pets", second.name)
    assert record is not None
    assert (record.state, record.reason, len(record.steps)) == ("promoted", None, 3)
    unknown = larder("promote", "pets", "x")
    assert (unknown.exit_code, "has no release 'x'" in unknown.stderr) == (1, True)


def test_uploaded_is_printed_only_for_what_was_sent(trained: Write) -> None:
    release = trained(1)
    assert "Uploaded pets/" in larder("publish", "pets").stdout
    again = larder("publish", "pets")
    assert "Uploaded" not in again.stdout
    assert "Nothing changed: It is live already." in again.stdout
    assert f"Taking {release.name}, the newest release of pets on this machine; it is live already." in again.stderr


def test_a_damaged_folder_is_refused_before_the_upload(home: Workspace, trained: Write) -> None:
    release = trained(1)
    flip(release / "report.html")
    refused = larder("publish", "pets")
    assert refused.exit_code == 1
    assert "report.html is damaged: its SHA-256 is" in refused.stderr
    assert list((home.root / "store").rglob("manifest.json")) == []


def test_a_release_that_was_rejected_for_damaged_bytes_is_published_intact(home: Workspace, trained: Write) -> None:
    release = trained(1)
    larder("publish", "pets", "--upload-only")
    flip(stored(home, release, "model.onnx"))
    assert larder("rollback", "pets", release.name).exit_code == 1
    assert states() == {release.name: "rejected"}
    assert f"{release.name} is rejected: model.onnx is damaged" in larder("releases", "pets").stdout
    again = larder("publish", "pets")
    assert "Uploaded pets/" in again.stdout
    assert ": 2 files, " in again.stdout  # the damaged file, and the manifest
    assert states() == {release.name: "live"}


@pytest.mark.parametrize("damage", ["flipped byte", "missing file", "missing release", "no manifest"])
def test_a_damaged_release_is_never_listed_as_live(home: Workspace, trained: Write, damage: str) -> None:
    release = trained(1)
    larder("publish", "pets")
    model = stored(home, release, "model.onnx")
    if damage == "flipped byte":
        flip(model)
    elif damage == "missing file":
        model.unlink()
    else:
        for file in model.parent.iterdir():
            if damage == "missing release" or file.name == "manifest.json":
                file.unlink()
    assert states() == {release.name: "damaged"}
    (entry,) = document("models")["models"]
    assert (entry["live"], entry["state"]) == (None, "damaged")
    assert len(entry["problems"]) == 1
    listed = larder("models").stdout
    assert f"pets: the live release {release.name} is damaged" in listed


def test_rollback_goes_to_the_previous_release_and_back(trained: Write) -> None:
    first, second = trained(1), trained(2)
    larder("publish", str(first))
    refused = larder("rollback", "pets")
    assert "pets has no previous release in this store" in refused.stderr
    assert "publish another release first" in refused.stderr
    larder("publish", str(second))
    back = larder("rollback", "pets")
    assert f"Promoted: pets answers with {first.name} in place of {second.name}." in back.stdout
    assert states() == {first.name: "live", second.name: "previous"}
    assert document("rollback", "pets")["live"] == second.name
    wrong = larder("rollback", "pets", second.name[:-1] + "x")
    assert (wrong.exit_code, f"Did you mean {second.name!r}" in wrong.stderr) == (1, True)


def test_rollback_to_a_release_on_this_machine_only_names_the_command(trained: Write) -> None:
    first, second = trained(1), trained(2)
    larder("publish", str(first))
    assert f"larder publish {second}" in larder("rollback", "pets", second.name).stderr


def test_rm_removes_all_but_the_live_release(home: Workspace, trained: Write) -> None:
    releases = [trained(hour) for hour in (1, 2, 3)]
    for release in releases[:2]:
        larder("publish", str(release))
    live = releases[1]
    assert larder("rm", "pets").exit_code == 2  # no terminal to ask
    assert "answers for pets" in larder("rm", "pets", live.name, "--yes").stderr
    size = sum(
        file.stat().st_size
        for folder in (releases[0], releases[2], stored(home, releases[0], ""))
        for file in folder.iterdir()
    )
    removed = larder("rm", "pets", "--yes")
    assert removed.stdout.startswith(f"Removed 2 releases of pets: {size:,} bytes")
    assert f"{live.name} is live and stays." in removed.stdout
    assert states() == {live.name: "live"}
    assert document("rm", "pets", live.name, "--yes", "--force")["removed"] == [live.name]
    assert document("models") == {"models": []}
    assert [path.name for path in (home.root / "store").rglob("*") if path.is_file()] == [".larder.lock"]


def test_a_canary_is_published_shown_promoted_and_stopped(trained: Write) -> None:
    live, canary, third = trained(1), trained(2), trained(3)
    assert larder("publish", str(live)).exit_code == 0
    assert "has no canary: start one with larder publish RELEASE --canary 5" in larder("canary", "show", "pets").stderr

    published = larder("publish", str(canary), "--canary", "5")
    assert f"Canary: {canary.name} answers 5 % of the callers of pets, {live.name} the others." in published.stdout
    assert states() == {live.name: "live", canary.name: "canary", third.name: "local only"}
    assert f"{canary.name} answers 5 % of the callers of pets" in larder("canary", "show", "pets").stdout
    shown = document("canary", "show", "pets")
    assert (shown["canary"], shown["percent"], shown["live"]) == (canary.name, 5, live.name)
    assert (shown["requests"], shown["verdict"]) == ({"canary": 0, "live": 0}, "wait")
    assert document("releases", "pets")["releases"][1]["state"] == "canary"

    assert "no longer the canary" in larder("canary", "stop", "pets").stdout
    assert states()[canary.name] == "uploaded"
    assert larder("canary", "stop", "pets").exit_code == 1

    larder("publish", str(canary), "--canary", "5")
    assert f"Promoted: pets answers with {canary.name}" in larder("canary", "promote", "pets").stdout
    assert states()[live.name] == "previous"

    larder("publish", str(third), "--canary", "50")
    assert "is rejected" in larder("canary", "stop", "pets", "--reject", "Too many cats.").stdout
    assert states()[third.name] == "rejected"
    assert "Too many cats." in larder("releases", "pets").stdout


def test_the_log_decides_on_a_canary(home: Workspace, trained: Write) -> None:
    def write_log(requests: int, failing: float) -> None:
        lines = []
        for number in range(requests):
            arm, release = (("canary", canary.name), ("stable", live.name))[number % 2]
            failed = arm == "canary" and number % 100 < 100 * failing
            record = {"model": "pets", "release": release, "arm": arm, "status": 500 if failed else 200, "ms": 5.0}
            lines.append(json.dumps({**record, "time": int(1000 * time.time())}) + "\n")
        home.logs.mkdir(parents=True, exist_ok=True)
        with (home.logs / "classify.log").open("a") as log:
            log.write("".join(lines))

    live, canary = trained(1), trained(2)
    larder("publish", str(live))
    larder("publish", str(canary), "--canary", "50")
    # GIVEN few requests THEN it waits
    write_log(100, 0.0)
    assert "Its log has not been looked at yet" in larder("canary", "show", "pets").stdout
    waiting = larder("canary", "decide", "pets")
    assert (waiting.exit_code, "Undecided after 50 requests of the canary" in waiting.stdout) == (3, True)
    # GIVEN a canary that fails THEN it is rejected with the numbers, and a second run has nothing to do
    write_log(3900, 0.1)
    shown = document("canary", "show", "pets")
    assert (shown["verdict"], shown["requests"]) == ("wait", {"canary": 50, "live": 50}), "there was no look since"
    assert ": 50 of the canary, 50 of the live release" in larder("canary", "show", "pets").stdout
    rejected = larder("canary", "decide", "pets")
    assert (rejected.exit_code, states()[canary.name], states()[live.name]) == (1, "rejected", "live")
    assert "As the canary it was worse than the live" in larder("releases", "pets").stdout
    assert "has no canary" in larder("canary", "decide", "pets").stderr

    # GIVEN a run that died between the rejection and the pointer THEN the next one ends the canary
    pointer = home.root / "store" / "models" / "pets" / "live.json"
    pointer.write_bytes(dump_pointer(Pointer(live.name, canary=canary.name, canary_percent=50, revision=9)))
    assert larder("canary", "decide", "pets").exit_code == 1
    assert parse_pointer(pointer.read_bytes()) == Pointer(live.name, revision=10)

    # GIVEN a canary without a difference THEN it becomes live, by what has come since it began again
    time.sleep(1.0)  # the history has seconds
    larder("publish", str(canary), "--canary", "50")
    write_log(8000, 0.0)
    promoted = larder("canary", "decide", "pets")
    assert (promoted.exit_code, states()[canary.name]) == (0, "live")
    assert f"answers with {canary.name} in place of {live.name}" in promoted.stdout


def test_a_first_release_is_promoted_although_a_canary_was_asked_for(trained: Write) -> None:
    first = trained(1)
    assert "Promoted: pets answers" in larder("publish", str(first), "--canary", "5").stdout
    refused = larder("publish", str(first), "--canary", "5", "--upload-only")
    assert (refused.exit_code, "not both" in refused.stderr) == (2, True)


@pytest.mark.parametrize("uploaded", [True, False])
def test_rm_ends_a_canary_only_with_force(home: Workspace, trained: Write, *, uploaded: bool) -> None:
    live, canary, other = trained(1), trained(2), trained(3)
    larder("publish", str(live))
    if uploaded:
        larder("publish", str(canary), "--upload-only")
    pointer = home.root / "store" / "models" / "pets" / "live.json"
    pointer.write_bytes(dump_pointer(Pointer(live.name, canary=canary.name, canary_percent=10)))
    removed = larder("rm", "pets", "--yes").stdout.splitlines()
    assert removed[1:] == [f"{canary.name} is the canary and stays.", f"{live.name} is live and stays."]
    assert not other.exists()
    refused = larder("rm", "pets", canary.name, "--yes")
    assert (refused.exit_code, "which ends the canary" in refused.stderr) == (1, True)
    assert larder("rm", "pets", canary.name, "--yes", "--force").exit_code == 0
    assert states() == {live.name: "live"}
    assert parse_pointer(pointer.read_bytes()) == Pointer(live.name, revision=2)


def test_rm_follows_a_pointer_that_changed_since_the_releases_were_listed(home: Workspace, trained: Write) -> None:
    # GIVEN a list in which the first release is live and the second is not
    first, second = trained(1), trained(2)
    larder("publish", str(first))
    store = open_store(home.store)
    entries = {entry.release: entry for entry in list_releases(home, store, "pets").releases}
    # WHEN the second goes live before the removal
    larder("publish", str(second))
    # THEN it keeps answering
    with pytest.raises(Conflict, match="has just become live"):
        remove([replace(entries[second.name], stored_bytes=1)], store)
    remove([entries[first.name]], store)
    assert states() == {second.name: "live"}


def test_a_name_takes_the_live_release_and_says_so(home: Workspace, trained: Write) -> None:
    first, second = trained(1), trained(2)
    assert named.live_or_newest("pets", home, home.store).path == second
    larder("publish", str(first))
    found = named.live_or_newest("pets", home, home.store)
    assert (found.path, found.why, found.live) == (first, "the live release of pets", True)
    # A release that was trained elsewhere is taken from the store.
    first.rename(home.root.parent / "elsewhere")
    found = named.live_or_newest("pets", home, home.store)
    assert found.path == stored(home, first, "manifest.json").parent
    exported = larder("export", "pets", "--to", "labels.txt")
    assert (exported.exit_code, exported.stdout) == (0, "Wrote pets-labels. Next: read pets-labels/README.md\n")
    assert f"Taking {first.name}, the live release of pets." in exported.stderr


def test_a_live_release_in_s3_is_downloaded(home: Workspace, trained: Write, s3_url: str) -> None:
    release = trained(1)
    larder("publish", "pets", "--store", s3_url)
    release.rename(home.root.parent / "elsewhere")
    found = named.live_or_newest("pets", home, s3_url)
    assert found.path == home.cache / "releases" / "pets" / release.name
    assert {file.name for file in found.path.iterdir()} == {
        file.name for file in (home.root.parent / "elsewhere").iterdir()
    }
    assert document("models", "--store", s3_url)["models"][0]["live"] == release.name


@pytest.mark.parametrize("command", ["releases", "rollback", "rm"])
def test_a_mistyped_model_gets_the_nearest_names(trained: Write, command: str) -> None:
    trained(1)
    refused = larder(command, "pest")
    assert (refused.exit_code, "There is no model 'pest'. Did you mean 'pets'?" in refused.stderr) == (1, True)
    assert "Did you mean 'pets'?" in larder("publish", "pest").stderr


def test_status_without_a_service_names_the_command(trained: Write) -> None:
    trained(1)
    shown = larder("status")
    assert shown.exit_code == 1
    assert "Problem: no service runs in this folder. Start it: larder up" in shown.stdout


def test_another_name_means_a_model_until_it_is_removed(trained: Write) -> None:
    assert larder("aliases", "list").stdout == "There is no alias. Make one: larder aliases set NAME MODEL\n"
    larder("publish", str(trained(1)))
    arn = "arn:aws:rekognition:eu-west-1:123456789012:project/Cats/version/v1/1"
    assert larder("aliases", "set", arn, "pets").stdout == f"{arn} means pets. See all: larder aliases list\n"
    assert document("aliases", "list") == {arn: "pets"}
    assert larder("aliases", "list").stdout.splitlines()[1].split() == [arn, "pets"]
    assert larder("aliases", "rm", arn).stdout == f"{arn} is no longer an alias.\n"
    again = larder("aliases", "rm", arn)
    assert (again.exit_code, "There is no alias" in again.stderr) == (1, True)


def test_a_name_cannot_mean_a_model_that_does_not_exist(trained: Write) -> None:
    larder("publish", str(trained(1)))
    refused = larder("aliases", "set", "cats", "petz")
    assert refused.exit_code == 1
    assert "Did you mean 'pets'?" in refused.stderr


@pytest.mark.usefixtures("home")
def test_filters_are_stored_beside_a_model_shown_and_removed(golden_recommender: Write) -> None:
    larder("publish", str(golden_recommender(1)))
    assert "larder filters add shop NAME EXPRESSION" in larder("filters", "list", "shop").stdout
    cheap, dear = "INCLUDE ItemID WHERE Items.PRICE < $P", "INCLUDE ItemID WHERE Items.PRICE > $P"

    assert larder("filters", "add", "shop", "f", cheap).stdout == "Stored f. Use it: --filter @f\n"
    assert larder("filters", "show", "shop", "f").stdout == f"{cheap}\n"
    assert larder("filters", "add", "shop", "f", dear).stdout == "Replaced f. Use it: --filter @f\n"
    assert document("filters", "list", "shop")["f"]["expression"] == dear
    assert dear in larder("filters", "list", "shop").stdout
    assert larder("filters", "rm", "shop", "f").stdout == "Removed f of shop.\n"
    assert larder("filters", "show", "shop", "f").exit_code == 1


@pytest.mark.usefixtures("home")
def test_a_filter_that_the_model_cannot_answer_is_not_stored(golden_recommender: Write) -> None:
    larder("publish", str(golden_recommender(1)))

    unknown = larder("filters", "add", "shop", "f", "INCLUDE ItemID WHERE Items.NO = 1")
    assert (unknown.exit_code, "at character 22" in unknown.stderr) == (1, True)
    mistyped = larder("filters", "add", "shp", "f", "INCLUDE ItemID WHERE Items.PRICE = 1")
    assert (mistyped.exit_code, "Did you mean 'shop'?" in mistyped.stderr) == (1, True)
    assert document("filters", "list", "shop") == {}

"""The ``larder`` command: help, exit statuses, and errors without a stack trace."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.larder_local.conftest import Served, larder

from larder.errors import InvalidRequest
from larder.release.manifest import Manifest, dump
from larder_local.releases import named
from larder_local.workspace import Workspace

HEAVY = {
    *("aiohttp", "implicit", "lightgbm", "matplotlib", "numpy", "obstore", "onnx", "onnxruntime", "PIL", "polars"),
    *("scipy", "sklearn"),
}
COMMANDS = [
    "",
    "up",
    "train",
    "train classifier",
    "train recommender",
    "audit",
    "audit classifier",
    "audit recommender",
    "split",
    "backbones",
    "backbone",
    "backbone add",
    "backbone rm",
    "evaluate",
    "drift",
    "export",
    "publish",
    "classify",
    "recommend",
    "models",
    "releases",
    "promote",
    "rollback",
    "rm",
    "status",
    "demo",
    "demo digits",
    "demo shop",
]
HELP = """
import json, sys
from larder_local.cli import main
sys.argv = ["larder", *sys.argv[1:], "--help"]
try:
    main()
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def test_help_lists_every_command(tmp_path: Path) -> None:
    done = larder("--help", folder=tmp_path)
    assert done.returncode == 0
    for name in ("up", "train", "evaluate", "export", "publish", "classify", "recommend", "models", "demo"):
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_no_slow_library(command: str) -> None:
    """`larder ... --help` answers in half a second. The imports decide the time, so the test checks them.

    To measure: `time larder train classifier --help`; `python -X importtime -m larder_local ...` lists the imports.
    """
    # GIVEN and WHEN a new process prints the help of the command
    words = command.split()
    done = subprocess.run([sys.executable, "-c", HELP, *words], capture_output=True, text=True, check=True)  # noqa: S603  the code above
    # THEN
    assert done.stdout.startswith("Usage: ")
    assert HEAVY.isdisjoint(json.loads(done.stderr))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, tmp_path: Path) -> None:
    done = larder(*command.split(), "--help", folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("train", "nonsense"),
        ("publish",),
        ("evaluate", "digits"),
        ("export", "digits", "--to", "tensorflow"),
        ("evaluate", "digits", "--images", ".", "--interactions", __file__),
        ("evaluate", "digits", "--images", ".", "--history", __file__),
        ("classify",),
        ("rm", "digits", "--json"),
        ("classify", __file__, "--side", "PLACE"),
        ("recommend", "u1", "--n", "0"),
        ("up", "--port", "70000"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = larder(*arguments, folder=tmp_path)

    assert done.returncode == 2
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("publish", "digits"), "train it first"),
        (("publish", "digits", "--store", "ftp://x"), "ftp://x"),
        (("evaluate", "digits", "--images", "."), "train it first"),
        (("recommend", "u1"), "larder up"),
        (("releases", "digits"), "There is no model 'digits'"),
        (("rollback", "digits"), "There is no model 'digits'"),
        (("rm", "digits", "--yes"), "There is no model 'digits'"),
        (("classify", __file__, "--model", "../x"), "is not a model name"),
        (("demo", "digits", "."), "exists"),
        (("train", "classifier", "nowhere", "--model", "x"), "nowhere"),
    ],
)
def test_a_refusal_exits_with_1_and_a_reason_without_a_stack_trace(
    arguments: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    done = larder(*arguments, folder=tmp_path, LARDER_URL="http://127.0.0.1:9")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_a_service_without_the_route_is_reported(served: Served, tmp_path: Path) -> None:
    done = larder("recommend", "u1", folder=tmp_path, LARDER_URL=f"http://127.0.0.1:{served.port}")

    assert done.returncode == 1
    assert done.stderr == "Error: No such route: check the URL; GET /openapi.json lists all routes.\n"


def test_an_unwritable_folder_is_reported_without_a_stack_trace(tmp_path: Path) -> None:
    (tmp_path / ".larder").write_bytes(b"")

    done = larder("up", "--port", "0", folder=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert ".larder" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_invalid_address_is_wrong_usage(tmp_path: Path) -> None:
    assert larder("recommend", "u1", folder=tmp_path, LARDER_URL="file:///etc/passwd").returncode == 2
    assert larder("status", folder=tmp_path, LARDER_URL="file:///etc/passwd").returncode == 2


def test_a_release_is_a_folder_or_the_newest_of_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classifier_manifest: Manifest, recommender_manifest: Manifest
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Workspace.current()
    text = dump(classifier_manifest).replace(b"2026-01-02T", b"2026-01-03T")
    for name, document in [
        ("a", text),
        ("b", dump(classifier_manifest)),
        ("c", dump(recommender_manifest)),
        ("d", b"{"),
    ]:
        (folder.releases / name).mkdir(parents=True)
        (folder.releases / name / "manifest.json").write_bytes(document)

    assert folder.releases_of("pets") == [folder.releases / "b", folder.releases / "a"]
    for find in (named.newest, named.live_or_newest):
        assert find("pets", folder, folder.store).path == folder.releases / "a"
        assert find("c", folder, folder.store).path == folder.releases / "c"
        assert find(".larder/releases/c", folder, folder.store).path == Path(".larder/releases/c")
        with pytest.raises(InvalidRequest, match=r"train it first.* Did you mean 'pets'"):
            find("pet", folder, folder.store)
    assert not (folder.root / "store").exists()


@pytest.mark.parametrize(("typed", "near"), [("publishes", "'publish'"), ("model", "'models'")])
def test_a_mistyped_command_gets_the_nearest_names(tmp_path: Path, typed: str, near: str) -> None:
    done = larder(typed, folder=tmp_path)
    assert done.returncode == 2
    assert f"No such command {typed!r}. Did you mean {near}" in done.stderr


def test_the_digits_of_the_demo_are_written_as_a_whole(tmp_path: Path) -> None:
    done = larder("demo", "digits", "digits", folder=tmp_path)

    assert done.returncode == 0
    images = list((tmp_path / "digits").glob("*/*/*.png"))
    assert len(images) == 1797
    assert {path.parent.name for path in images} == set("0123456789")
    assert [path.name for path in tmp_path.iterdir()] == ["digits"]

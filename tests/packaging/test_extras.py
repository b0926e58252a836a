"""The extras of the distribution: each installs what it needs, and nothing of the others."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.paths import ROOT

UV = str(Path(sys.executable).with_name("uv"))
UNREACHABLE = ("Failed to fetch", "network was disabled", "dns error")
# onnxruntime declares these for its tools; the layer leaves them out, as scripts/export-layers says.
TOOLS = {"flatbuffers", "packaging", "protobuf"}
LOCAL = {"aiohttp", "awslambdaric", "click", "pyyaml"}
PACKAGES = {"larder", "larder_training", "larder_local", "larder_client"}

# Trains both kinds on generated data, asks them and publishes them. Prints the first answers and the outcomes.
TRAIN_ASK_PUBLISH = """
import numpy as np, polars as pl
from larder_training import Release, audit, evaluate, train_classifier, train_recommender

random = np.random.default_rng(0)
labels = ["dark", "light"] * 20
images = [random.integers(0, 100, (32, 32, 3), np.uint8) + np.uint8(150 * (label == "light")) for label in labels]
classifier = train_classifier(
    images, labels, trials=1, augment="none", flip="no", out="releases", cache=None, quiet=True
)
print(classifier.predict(images[1]).labels[0].name, evaluate(classifier, images, labels, quiet=True)["accuracy"])
rows = [(f"u{user}", f"i{(user + step) % 8}", 1000 * step + user) for user in range(60) for step in range(6)]
log = pl.DataFrame(rows, ["USER_ID", "ITEM_ID", "TIMESTAMP"], orient="row")
recommender = train_recommender(log, trials=1, reranker="never", out="releases", quiet=True)
print(len(Release(recommender.path).recommend("u1", n=3)), audit(interactions=log).findings is not None)
print(classifier.publish("store").state, recommender.publish("store").state)
"""

Install = Callable[[str], Path]


def uv(*arguments: str) -> str:
    """What uv prints. It looks in its cache, then in the registry; if neither has a package, the test is skipped."""
    for network in ("--offline", "--no-progress"):
        command = [UV, *arguments, network]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  our own uv
        if done.returncode == 0:
            return done.stdout
    if any(cause in done.stderr for cause in UNREACHABLE):
        pytest.skip("A package is not in uv's cache, and the registry cannot be reached.")
    raise AssertionError(done.stderr)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--quiet", "--wheel", "--out-dir", str(folder))
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Installs the wheel with an extra, at the versions of uv.lock, into a new environment; returns its interpreter."""
    root = tmp_path_factory.mktemp("environments")
    constraints = root / "constraints.txt"
    export = ("export", "--quiet", "--frozen", "--no-hashes", "--all-extras", "--no-default-groups")
    uv(*export, "--no-emit-project", "--output-file", str(constraints))

    @cache
    def installed(extra: str) -> Path:
        python = root / (extra or "base") / "bin" / "python"
        uv("venv", "--quiet", "--python", sys.executable, str(python.parents[1]))
        requirement = f"larder[{extra}] @ {wheel.as_uri()}" if extra else f"larder @ {wheel.as_uri()}"
        uv("pip", "install", "--quiet", "--python", str(python), "--constraints", str(constraints), requirement)
        return python

    return installed


def packages(python: Path) -> set[str]:
    """The names of the installed packages, without larder itself."""
    listing = json.loads(uv("pip", "list", "--quiet", "--python", str(python), "--format", "json"))
    return {package["name"] for package in listing} - {"larder"}


def layer(name: str) -> set[str]:
    """The names of the packages in a layer's requirements."""
    text = (ROOT / "layers" / name / "requirements.txt").read_text()
    return set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))


def run(python: Path, program: str, folder: Path | None = None) -> str:
    """What ``python -c program`` prints, in ``folder`` and without the packages of the environment around it."""
    command = [str(python), "-I", "-c", program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603  our own program
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_base_installs_no_dependency(install: Install) -> None:
    # GIVEN and WHEN the wheel is installed without an extra
    python = install("")
    # THEN nothing else is installed, and the client works
    assert packages(python) == set()
    run(python, "from larder_client import Client; Client('http://127.0.0.1:8080')")


@pytest.mark.slow
def test_serving_installs_what_the_layers_carry(install: Install) -> None:
    # GIVEN and WHEN
    python = install("serving")
    # THEN
    assert packages(python) - TOOLS == layer("larder") | layer("vision")
    run(python, "import larder.classifier.graph, larder.recommender.model, larder.web.router, larder.store.opening")


@pytest.mark.slow
def test_training_works_without_the_packages_of_the_command(install: Install) -> None:
    # GIVEN
    python = install("training")
    # WHEN
    run(python, "import larder_training.classifier.train, larder_training.recommender.train")
    seed = run(python, "from larder_training.release.writer import provenance; print(provenance(7)['seed'])")
    # THEN
    assert seed == "7\n"
    assert not packages(python) & LOCAL


@pytest.mark.slow
def test_the_training_extra_trains_predicts_and_publishes(install: Install, tmp_path: Path) -> None:
    # GIVEN an environment with the training extra alone
    python = install("training")
    # WHEN
    printed = run(python, TRAIN_ASK_PUBLISH, tmp_path)
    # THEN
    assert printed.splitlines() == ["light 1.0", "3 True", "promoted promoted"]
    assert sorted(path.parent.name for path in tmp_path.glob("store/models/*/live.json")) == [
        "classifier",
        "recommender",
    ]


@pytest.mark.slow
def test_the_wheel_holds_the_packages_and_their_types(wheel: Path) -> None:
    names = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert {name.partition("/")[0] for name in names} == PACKAGES
    assert {f"{package}/py.typed" for package in PACKAGES} <= names


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_package_declares_its_types(package: str) -> None:
    assert files(package).joinpath("py.typed").is_file()

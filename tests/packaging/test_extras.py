"""The extras of the distribution: each installs what it needs, and nothing of the others."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from tests.paths import ROOT

UV = str(Path(sys.executable).with_name("uv"))
UNREACHABLE = ("Failed to fetch", "network was disabled", "dns error")
# onnxruntime declares these for its tools; the layer leaves them out, as scripts/export-layers says.
TOOLS = {"flatbuffers", "packaging", "protobuf"}
LOCAL = {"aiohttp", "awslambdaric", "click", "pyyaml"}

Install = Callable[[str], Path]


def uv(*arguments: str) -> str:
    """What uv prints; the cache is asked first, then the registry. Skips the test if neither has a package."""
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


@pytest.fixture
def install(wheel: Path, tmp_path: Path) -> Install:
    """Installs the wheel with an extra, at the versions of uv.lock, into a new environment; returns its interpreter."""
    constraints = tmp_path / "constraints.txt"
    export = ("export", "--quiet", "--frozen", "--no-hashes", "--all-extras", "--no-default-groups")
    uv(*export, "--no-emit-project", "--output-file", str(constraints))

    def installed(extra: str) -> Path:
        python = tmp_path / "environment" / "bin" / "python"
        uv("venv", "--quiet", "--python", sys.executable, str(python.parents[1]))
        requirement = f"larder[{extra}] @ {wheel.as_uri()}" if extra else f"larder @ {wheel.as_uri()}"
        uv("pip", "install", "--quiet", "--python", str(python), "--constraints", str(constraints), requirement)
        return python

    return installed


def packages(python: Path) -> set[str]:
    """The names of what is installed, without larder itself."""
    listing = json.loads(uv("pip", "list", "--quiet", "--python", str(python), "--format", "json"))
    return {package["name"] for package in listing} - {"larder"}


def layer(name: str) -> set[str]:
    """The names of the packages in a layer's requirements."""
    text = (ROOT / "layers" / name / "requirements.txt").read_text()
    return set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))


def run(python: Path, program: str) -> str:
    command = [str(python), "-I", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own program
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


@pytest.mark.parametrize("package", ["larder", "larder_training", "larder_local", "larder_client"])
def test_a_package_declares_its_types(package: str) -> None:
    assert files(package).joinpath("py.typed").is_file()

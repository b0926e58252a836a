"""The bundle of ``make build``: small, complete, and for the right processor."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.e2e.conftest import HERE, build

pytestmark = pytest.mark.e2e
LIMITS = {  # megabytes unzipped, of the function and its layers; Lambda allows 250 MiB
    "ClassifyFunction": (("LarderLayer", "VisionLayer"), 130),
    "RecommendFunction": (("LarderLayer",), 30),
    "ModelsFunction": (("LarderLayer",), 30),
}
MACHINES = {"x86_64": 62, "arm64": 183}  # e_machine in <elf.h>


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def libraries(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*.so*") if path.read_bytes()[:4] == b"\x7fELF")


def machine(library: Path) -> int:
    return int.from_bytes(library.read_bytes()[18:20], "little")


def check(bundle: Path, architecture: str) -> None:
    for function, (layers, megabytes) in LIMITS.items():
        folders = [bundle / folder for folder in (function, *layers)]
        total = sum(map(size, folders))
        assert total <= megabytes * 10**6, f"{function} and its layers have {total:,} bytes"
    natives = {machine(library) for layer in bundle.glob("*Layer") for library in libraries(layer)}
    assert natives == {MACHINES[architecture]}
    assert list(bundle.glob("VisionLayer/python/onnxruntime/capi/onnxruntime_pybind11_state.*.so"))


def test_the_bundle_is_small_and_for_this_machines_processor(bundle: Path) -> None:
    check(bundle, HERE)


def test_the_bundle_for_the_other_processor_is_small_too(tmp_path: Path) -> None:
    (other,) = set(MACHINES) - {HERE}
    check(build(tmp_path / "other", other), other)
    shutil.rmtree(tmp_path / "other")  # pytest would keep 100 MB for each of the last three runs


def test_the_bundle_has_byte_code_and_no_other_files_of_the_repository(bundle: Path) -> None:
    layer = bundle / "LarderLayer/python"
    assert (layer / "larder/openapi.json").is_file()
    assert (layer / "larder/events/snippet.js").is_file()
    sources = {path.relative_to(layer).with_suffix("") for path in (layer / "larder").rglob("*.py")}
    compiled = {path.relative_to(layer) for path in (layer / "larder").rglob("*.pyc")}
    assert {path.parent.parent / path.name.removesuffix(".cpython-313.pyc") for path in compiled} == sources
    assert not list(bundle.rglob("requirements.txt"))
    assert not list(bundle.glob("*Layer/Makefile"))

"""Exported folders run without Larder on the path, as their users run them, and answer as the service does."""

import base64
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.paths import ROOT
from tests.toys.colour_profiles import ADOBE_RGB, DISPLAY_P3, SRGB, cmyk_profile, grey_profile, rgb_profile

from larder.classifier.graph import Classifier
from larder.errors import InvalidModel, InvalidRequest
from larder.release import side_columns
from larder.release.manifest import dump, parse
from larder.release.serving import CategoryColumn, ClassifierServing, ImageSpec, NumberColumn, TextColumn
from larder_local.commands.export import command
from larder_training.export_folder import TARGETS, Target, export_folder, write
from larder_training.export_folder.write import _NEEDED

CONTENTS = {
    "saved-onnx": {
        *("model.onnx", "labels.txt", "preprocessing.json", "README.md"),
        *("classify.py", "side.py", "heif.py", "colour_profiles.py", "requirements.txt"),
    },
    "labels.txt": {"model.onnx", "labels.txt", "preprocessing.json", "README.md"},
    "docker": {
        *("model.onnx", "labels.txt", "preprocessing.json", "README.md"),
        *("classify.py", "side.py", "heif.py", "colour_profiles.py", "requirements.txt", "serve.py", "Dockerfile"),
    },
}
Encode = Callable[
    [list[dict[str, object]], Mapping[str, object]], dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]
]
# Without Larder: an import of it, or of anything else but the three packages of requirements.txt, fails.
GUARD = """
import runpy, sys
class Only:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"larder", "larder_training", "larder_local", "onnx", "scipy", "sklearn", "click"}:
            raise ImportError(f"{name} is not in requirements.txt")
sys.meta_path.insert(0, Only())
sys.path.insert(0, str(__import__("pathlib").Path(sys.argv[1]).parent))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def drawing(width: int = 90, height: int = 61, channels: int = 3) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    random = np.random.default_rng(width)
    small = Image.fromarray(random.integers(0, 256, (6, 9, channels), np.uint8), {3: "RGB", 4: "RGBA"}[channels])
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = orientation
    return exif


@pytest.fixture(scope="module")
def images_by_format(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Images in every format, by name."""
    folder = tmp_path_factory.mktemp("images")
    plain, alpha = Image.fromarray(drawing()), Image.fromarray(drawing(channels=4), "RGBA")
    large = Image.fromarray(drawing(900, 700))
    grey16 = Image.fromarray(np.asarray(plain.convert("L")).astype(np.uint16) * 251)
    saved: dict[str, tuple[Image.Image, Mapping[str, object]]] = {
        "plain.png": (plain, {}),
        "large.jpg": (large, {"quality": 90}),  # decoded at a fraction of its size
        "tall.jpg": (large.transpose(Image.Transpose.ROTATE_90), {}),
        "alpha.png": (alpha, {}),
        "grey.png": (plain.convert("L"), {}),
        "grey.jpg": (plain.convert("L"), {}),
        "grey-alpha.png": (alpha.convert("LA"), {}),
        "grey16.png": (grey16, {}),
        "palette.png": (plain.convert("P"), {}),
        "palette-clear.png": (plain.convert("P"), {"transparency": 3}),
        "one-bit.png": (plain.convert("1"), {}),
        "cmyk.jpg": (plain.convert("CMYK"), {}),
        "plain.webp": (plain, {}),
        "plain.avif": (plain, {}),
        "turned.avif": (plain, {"exif": turned(6)}),
        "wide.jpg": (plain, {"icc_profile": rgb_profile(DISPLAY_P3)}),
        "wide-alpha.png": (alpha, {"icc_profile": rgb_profile(ADOBE_RGB)}),
        "named-srgb.png": (plain, {"icc_profile": rgb_profile(SRGB, name="sRGB IEC61966-2.1")}),
        "grey16-gamma.png": (grey16, {"icc_profile": grey_profile(1.8)}),
        "press.jpg": (plain.convert("CMYK"), {"icc_profile": cmyk_profile()}),
        "damaged-profile.jpg": (plain, {"icc_profile": b"x" * 16 + b"RGB " + b"x" * 200}),
        "drawing.gif": (plain, {}),
        "thin.png": (Image.fromarray(drawing(400, 3)), {}),
        "one-pixel.png": (Image.fromarray(drawing(1, 1)), {}),
        "phone.jpg": (plain, {"format": "MPO", "save_all": True, "append_images": [plain.rotate(90)]}),
        **{f"turned-{n}.jpg": (large, {"exif": turned(n)}) for n in range(1, 9)},
        "turned-6.png": (alpha, {"exif": turned(6)}),
    }
    for name, (image, how) in saved.items():
        image.save(folder / name, **how)  # type: ignore[arg-type]  # each format has options of its own
    phones = ROOT / "tests/larder/classifier/image_decoding/heic"
    return {name: folder / name for name in saved} | {path.name: path for path in phones.glob("*.heic")}


@contextmanager
def serving_folder(folder: Path, command_line: list[str]) -> Iterator[int]:
    """Starts the exported server as ``command_line`` says, on a free port of loopback; gives the port."""
    environment = {**os.environ, "HOST": "127.0.0.1", "PORT": "0", "PYTHONPATH": ""}
    program = [sys.executable, "-c", GUARD, str(folder / command_line[1])]
    with subprocess.Popen(program, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:  # noqa: S603 - the exported program
        try:
            assert run.stdout is not None
            line = run.stdout.readline().decode()
            assert line.startswith("Listening on http://127.0.0.1:"), (line, run.stderr and run.stderr.read())
            yield int(line.rpartition(":")[2])
        finally:
            run.terminate()
            run.communicate(timeout=30)
    assert run.returncode == 0


def run(folder: Path, *files: Path) -> list[dict[str, object]]:
    reply = subprocess.run(  # noqa: S603 - the exported program
        [sys.executable, "-I", "-c", GUARD, str(folder / "classify.py"), *map(str, files)],
        check=True,
        capture_output=True,
        cwd=folder,
        timeout=60,
    )
    return [json.loads(line) for line in reply.stdout.splitlines()]


def expected(release: Path, files: Iterator[Path] | list[Path]) -> list[dict[str, object]]:
    """What the service answers."""
    manifest = parse((release / "manifest.json").read_bytes())
    assert isinstance(manifest.serving, ClassifierServing)
    service = Classifier(release / "model.onnx", manifest.serving)
    answers: list[dict[str, object]] = []
    for file in files:
        found = service.classify(file.read_bytes())
        labels = [{"name": label.name, "confidence": label.confidence} for label in found.labels]
        answers.append({"file": str(file), "labels": labels, "unknown": found.unknown})
    return answers


@pytest.mark.parametrize("target", TARGETS)
def test_a_folder_holds_what_its_target_says_and_the_same_bytes_each_time(
    builtin_release: Path, target: Target, tmp_path: Path
) -> None:
    folder = export_folder(builtin_release, target, tmp_path / "deep/out")
    again = export_folder(builtin_release, target, tmp_path / "again")
    assert {path.name for path in folder.iterdir()} == CONTENTS[target]
    for path in folder.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()
    assert (folder / "model.onnx").read_bytes() == (builtin_release / "model.onnx").read_bytes()
    assert (folder / "labels.txt").read_text() == "checks\nrings\nstripes\n"
    assert not re.search(r"@[A-Z]+@", (folder / "README.md").read_text())
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


def test_the_readme_states_the_licence_of_the_weights_in_the_model(builtin_release: Path, tmp_path: Path) -> None:
    assert "licence" not in (export_folder(builtin_release, "saved-onnx", tmp_path / "own") / "README.md").read_text()
    # GIVEN a release on a backbone of the catalogue
    release = tmp_path / "release"
    shutil.copytree(builtin_release, release)
    manifest = parse((release / "manifest.json").read_bytes())
    backbone = {"name": "lite0", "licence": "Apache-2.0", "source": "https://example.com/weights"}
    (release / "manifest.json").write_bytes(
        dump(replace(manifest, training={**manifest.training, "backbone": backbone}))
    )
    # THEN its README names the weights, where they come from, and their licence
    readme = (export_folder(release, "labels.txt", tmp_path / "out") / "README.md").read_text()
    assert "backbone `lite0` (https://example.com/weights), licence: Apache-2.0" in readme


def test_the_example_is_short() -> None:
    lines = (write._TEMPLATE / "classify.py").read_text().split('"""', 2)[2].splitlines()
    code = [line for line in lines if line.strip() and not line.lstrip().startswith(('"""', "import ", "from ", "#"))]
    assert len(code) <= 60


def test_requirements_are_pinned_and_all_that_is_imported(builtin_release: Path, tmp_path: Path) -> None:
    folder = export_folder(builtin_release, "docker", tmp_path / "out")
    pinned = (folder / "requirements.txt").read_text().split()
    assert [line.partition("==")[0] for line in pinned] == list(_NEEDED)
    assert all(re.fullmatch(r"[a-z-]+==[0-9.]+", line) for line in pinned)
    used = {
        name.partition(".")[0]
        for file in ("classify.py", "side.py", "serve.py", "heif.py", "colour_profiles.py")
        for name in re.findall(r"^(?:import|from) ([\w.]+)", (folder / file).read_text(), re.MULTILINE)
    }
    assert used - sys.stdlib_module_names == {
        "numpy",
        "onnxruntime",
        "PIL",
        "_pi_heif",
        "classify",
        "side",
        "heif",
        "colour_profiles",
    }


@pytest.mark.parametrize("which", ["builtin_release", "int8_release"])
def test_the_example_answers_what_the_service_answers(
    which: str, request: pytest.FixtureRequest, images_by_format: dict[str, Path], new_images: Path, tmp_path: Path
) -> None:
    release = request.getfixturevalue(which)
    folder = export_folder(release, "saved-onnx", tmp_path / "out")
    files = [*images_by_format.values(), *sorted(new_images.rglob("*.png"))[::6]]
    found, wanted = run(folder, *files), expected(release, files)
    assert len({json.dumps(answer["labels"]) for answer in wanted}) > len(wanted) // 2
    assert found == wanted


@pytest.mark.parametrize(
    "spec",
    [
        ImageSpec(48, 32, crop=0.7, resampling="lanczos", background=(10, 200, 30)),
        ImageSpec(30, 50, fit="stretch", resampling="bicubic"),
        ImageSpec(64, 64, resampling="box"),
        ImageSpec(17, 9, crop=0.9, resampling="nearest"),
    ],
)
def test_its_pixels_are_the_services_for_any_specification(
    spec: ImageSpec, builtin_release: Path, images_by_format: dict[str, Path], tmp_path: Path
) -> None:
    from larder.classifier.image_decoding import decode

    folder = export_folder(builtin_release, "saved-onnx", tmp_path / "out")
    reply = json.loads((folder / "preprocessing.json").read_text())
    sizes = {"width": spec.width, "height": spec.height, "background": list(spec.background)}
    reply |= {"fit": spec.fit, "crop": spec.crop, "resampling": spec.resampling, **sizes}
    (folder / "preprocessing.json").write_text(json.dumps(reply))
    code = "import sys, numpy; sys.path.insert(0, sys.argv[1]); import classify\n"
    code += "numpy.save(sys.argv[2], numpy.concatenate([classify.pixels(name) for name in sys.argv[3:]]))"
    files = [str(path) for path in images_by_format.values()]
    program = [sys.executable, "-I", "-c", code, str(folder), str(tmp_path / "found.npy"), *files]
    subprocess.run(program, check=True, timeout=60)  # noqa: S603 - the exported program
    found = np.load(tmp_path / "found.npy")
    for name, pixels in zip(images_by_format, found, strict=True):
        np.testing.assert_array_equal(pixels, decode(images_by_format[name].read_bytes(), spec), err_msg=name)


def test_the_dockerfile_copies_what_exists_and_starts_what_answers(
    int8_release: Path, images_by_format: dict[str, Path], tmp_path: Path
) -> None:
    folder = export_folder(int8_release, "docker", tmp_path / "out")
    lines = [line.split(maxsplit=1) for line in (folder / "Dockerfile").read_text().splitlines()]
    assert lines[0] == ["FROM", "python:3.13-slim"]
    copied = [name for word, rest in lines if word == "COPY" for name in rest.split()[:-1]]
    assert set(copied) == CONTENTS["docker"] - {"Dockerfile", "README.md"}
    assert [rest for word, rest in lines if word == "USER"] == ["app"]
    environment = dict(part.split("=") for word, rest in lines if word == "ENV" for part in shlex.split(rest))
    assert environment == {"HOST": "0.0.0.0", "PORT": "8080"}  # noqa: S104 - inside of a container
    (started,) = [json.loads(rest) for word, rest in lines if word == "CMD"]
    with serving_folder(folder, started) as port, closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:

        def ask(
            method: str, path: str, body: bytes | None = None, length: str | None = None
        ) -> tuple[int, dict[str, object]]:
            connection.request(method, path, body, {"content-length": length} if length else {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

        files = list(images_by_format.values())
        for file, wanted in zip(files, expected(int8_release, files), strict=True):
            assert ask("POST", "/", file.read_bytes()) == (200, {k: v for k, v in wanted.items() if k != "file"})
        as_text = base64.b64encode(files[1].read_bytes()).decode()
        (wanted,) = expected(int8_release, files[1:2])
        del wanted["file"]
        assert ask("POST", "/", json.dumps({"image": as_text}).encode()) == (200, wanted)
        assert ask("POST", "/", json.dumps({"image": as_text, "side": {}}).encode()) == (200, wanted)
        status, reply = ask("POST", "/", json.dumps({"image": as_text, "side": {"place": "Oslo"}}).encode())
        assert (status, "'place', which is not a column" in str(reply)) == (422, True)
        assert ask("GET", "/health") == (200, {"status": "ok"})
        assert ask("GET", "/")[0] == 404
        assert ask("POST", "/elsewhere", b"x")[0] == 404
        broken = (b"{", b'{"image": 1}', b'{"image": "?"}', b'{"image": "", "more": 1}', b'{"side": ' + 9999 * b"[")
        for bad in (b"", b"<html>", files[1].read_bytes()[:3000], bomb(), *broken):
            status, reply = ask("POST", "/", bad)
            assert status == 422, reply
        assert ask("POST", "/", length="20000001")[0] == 413
        assert ask("POST", "/", length="-1")[0] == 411
        assert ask("POST", "/", files[0].read_bytes())[0] == 200  # and it goes on


def bomb() -> bytes:
    """A small PNG of 60 million pixels."""
    file = BytesIO()
    Image.new("1", (10_000, 6_000)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def their_encode() -> Encode:
    spec = importlib.util.spec_from_file_location("exported_side", write._TEMPLATE / "side.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    encode: Encode = module.encode
    return encode


TEXTS = st.text(max_size=12) | st.sampled_from(["Oslo", " Zu\u0308rich ", "the cat, THE dog", "ﬁve", ""])
VALUES = st.none() | st.booleans() | TEXTS | st.integers() | st.floats() | st.lists(st.none(), max_size=1)


@given(st.dictionaries(st.sampled_from(["place", "price", "note", "other"]), VALUES))
def test_side_information_is_encoded_as_the_service_does(their_encode: Encode, values: dict[str, object]) -> None:
    columns = (CategoryColumn("place", ("Oslo", "Zürich")), NumberColumn("price", 2.5, 3.0), TextColumn("note", 7))
    reply = [asdict(column) for column in columns]
    try:
        wanted = side_columns.encode(columns, values)
    except InvalidRequest:
        with pytest.raises(ValueError, match="side"):
            their_encode(reply, values)
    else:
        np.testing.assert_array_equal(their_encode(reply, values)["side"], np.array([wanted], np.float32))


def test_an_export_that_fails_leaves_nothing(builtin_release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InvalidRequest, match="not a release folder"):
        export_folder(tmp_path, "docker", out)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    with pytest.raises(InvalidRequest, match="exists already"):
        export_folder(builtin_release, "docker", tmp_path / "full")
    changed = copy(builtin_release, tmp_path / "changed")
    (changed / "model.onnx").write_bytes(b"\0" + (changed / "model.onnx").read_bytes())
    with pytest.raises(InvalidModel, match="does not match the manifest"):
        export_folder(changed, "docker", out)
    (changed / "model.onnx").unlink()
    with pytest.raises(InvalidModel, match="missing"):
        export_folder(changed, "docker", out)
    assert {path.name for path in tmp_path.iterdir()} == {"full", "changed"}


def test_labels_with_line_breaks_are_refused(builtin_release: Path, tmp_path: Path) -> None:
    manifest = parse((builtin_release / "manifest.json").read_bytes())
    assert isinstance(manifest.serving, ClassifierServing)
    broken = copy(builtin_release, tmp_path / "broken")
    labels = replace(manifest.serving, labels=("a\nb", "c", "d"))
    (broken / "manifest.json").write_bytes(dump(replace(manifest, serving=labels)))
    with pytest.raises(InvalidRequest, match="has a line break"):
        export_folder(broken, "labels.txt", tmp_path / "out")


def copy(release: Path, to: Path) -> Path:
    to.mkdir()
    for name in ("manifest.json", "model.onnx"):
        (to / name).write_bytes((release / name).read_bytes())
    return to


def test_the_command_writes_beside_and_prints_the_folder(builtin_release: Path) -> None:
    runner = CliRunner()
    with runner.isolated_filesystem():
        reply = runner.invoke(command, [str(builtin_release), "--to", "docker"])
        assert (reply.exit_code, reply.output) == (
            0,
            "Wrote patterns-docker. Next: read patterns-docker/README.md\n",
        )
        assert {path.name for path in Path("patterns-docker").iterdir()} == CONTENTS["docker"]


# --------------------------------------------------------------------------------------------------------- Docker


def docker(*arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout, check=False)  # noqa: S603, S607 - the user's own docker


def need_base_image() -> None:
    """Skips where no Docker answers, or what the Dockerfile begins with is neither here nor to be fetched."""
    name = (write._TEMPLATE / "Dockerfile").read_text().split()[1]
    if shutil.which("docker") is None or docker("version").returncode:
        pytest.skip("no Docker daemon answers: start one to build the exported image")
    if docker("image", "inspect", name).returncode and docker("pull", "--quiet", name, timeout=120).returncode:
        pytest.skip(f"{name} is not here and cannot be pulled: `docker pull {name}`, or tag a Python image so")


@pytest.fixture(scope="module")
def image(int8_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The exported folder's image, built as its README says."""
    need_base_image()
    folder = export_folder(int8_release, "docker", tmp_path_factory.mktemp("docker") / "out")
    name = f"larder-export-test-{os.getpid()}"
    # The host's network: a build then reaches the package index by whatever way this machine does.
    built = docker("build", "--network", "host", "--tag", name, str(folder), timeout=250)
    if built.returncode and "No matching distribution found" in built.stdout + built.stderr:
        pytest.skip("the build cannot reach the package index: let containers reach it")
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    yield name
    docker("image", "rm", "--force", name)


@contextmanager
def running(image: str) -> Iterator[tuple[str, int]]:
    """A container as the README starts it; gives its id and the port on loopback."""
    started = docker("run", "--detach", "--read-only", "--publish", "127.0.0.1::8080", image)
    assert started.returncode == 0, started.stderr
    container = started.stdout.strip()
    try:
        port = int(docker("port", container, "8080/tcp").stdout.rpartition(":")[2])
        for _ in range(100):
            if "Listening" in docker("logs", container).stdout:
                break
            time.sleep(0.1)
        yield container, port
    finally:
        docker("rm", "--force", container)


@pytest.mark.slow
def test_the_image_builds_and_answers_what_the_service_answers(
    image: str, int8_release: Path, images_by_format: dict[str, Path]
) -> None:
    files = list(images_by_format.values())
    with running(image) as (container, port), closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        for file, wanted in zip(files, expected(int8_release, files), strict=True):
            connection.request("POST", "/", file.read_bytes())
            answer = connection.getresponse()
            assert (answer.status, {"file": str(file), **json.loads(answer.read())}) == (200, wanted)
        # It printed only its first line, does not run as root, and stops on SIGTERM
        assert docker("logs", container).stdout == "Listening on http://0.0.0.0:8080\n"
        assert "telemetry" not in docker("logs", container).stderr
        assert docker("exec", container, "python", "-c", "import os; print(os.getuid())").stdout == "10001\n"
        (check,) = json.loads(docker("image", "inspect", image).stdout)
        assert docker("exec", container, *check["Config"]["Healthcheck"]["Test"][1:]).returncode == 0
        assert docker("stop", container).returncode == 0
        assert docker("inspect", "--format", "{{.State.ExitCode}}", container).stdout == "0\n"  # killed would be 137

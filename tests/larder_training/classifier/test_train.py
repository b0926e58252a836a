import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tests.toys.reports import check_page

from larder.classifier.image_decoding import decode
from larder.errors import InvalidRequest
from larder.release.manifest import Manifest, parse
from larder.release.serving import ClassifierServing
from larder.rollout.onnx_checks import check_graph
from larder_training.classifier import ClassifierOptions
from larder_training.classifier.evaluation.evaluate import evaluate
from larder_training.classifier.fitting.quantize import allowed_loss
from larder_training.classifier.onnx.graph import session
from larder_training.classifier.train import train
from larder_training.cli.train_classifier import command
from larder_training.reporting.progress import Advance, Progress

Draw = Callable[..., NDArray[np.uint8]]
Save = Callable[..., Path]
FILES = {"model.onnx", "probes.safetensors", "metrics.json", "report.html", "trials.jsonl"}
TIMED = {"report.html"}  # has the milliseconds per image


def manifest(release: Path) -> Manifest:
    return parse((release / "manifest.json").read_bytes())


def serving(release: Path) -> ClassifierServing:
    section = manifest(release).serving
    assert isinstance(section, ClassifierServing)
    return section


@pytest.fixture(params=["builtin_release", "int8_release"])
def release(request: pytest.FixtureRequest) -> Path:
    folder = request.getfixturevalue(request.param)
    assert isinstance(folder, Path)
    return folder


def test_a_release_has_its_files_and_a_graph_that_the_rollout_accepts(release: Path) -> None:
    assert {path.name for path in release.iterdir()} == FILES | {"manifest.json"}
    assert set(manifest(release).files) == FILES
    check_graph((release / "model.onnx").read_bytes(), serving(release))
    assert serving(release).labels == ("checks", "rings", "stripes")


def test_a_release_labels_new_images(release: Path, new_images: Path) -> None:
    evaluation = evaluate(release, new_images)
    assert evaluation["photos"] == 36
    assert isinstance(evaluation["accuracy"], float)
    assert evaluation["accuracy"] >= 0.85
    assert evaluation["release"] == release.name
    assert json.loads(json.dumps(evaluation)) == evaluation


def test_the_same_training_writes_the_same_bytes(
    options: ClassifierOptions, int8_release: Path, backbone: Path, tmp_path: Path
) -> None:
    again = train(replace(options, model="small", backbone=str(backbone), max_loss=0.1, out=tmp_path))
    assert again.name == int8_release.name
    for name in FILES - TIMED:
        assert (again / name).read_bytes() == (int8_release / name).read_bytes()


def test_the_cache_changes_no_byte(
    options: ClassifierOptions, int8_release: Path, backbone: Path, tmp_path: Path
) -> None:
    cached = replace(options, model="small", backbone=str(backbone), max_loss=0.1, cache=tmp_path / "cache")
    for number in range(2):  # the first training fills the cache, the second reads it
        again = train(replace(cached, out=tmp_path / str(number)))
        for name in FILES - TIMED:
            assert (again / name).read_bytes() == (int8_release / name).read_bytes()
    assert list((tmp_path / "cache").glob("*/*.rows"))


def test_another_seed_gives_another_release(options: ClassifierOptions, builtin_release: Path, tmp_path: Path) -> None:
    other = train(replace(options, seed=1, out=tmp_path))
    assert (other / "model.onnx").read_bytes() != (builtin_release / "model.onnx").read_bytes()


def test_the_graph_reproduces_the_golden_requests(release: Path) -> None:
    probes = load_file(release / "probes.safetensors")
    offsets, data = probes["request.offsets"], probes["request.bytes"].tobytes()
    running = session((release / "model.onnx").read_bytes())
    assert len(offsets) - 1 >= 8
    for number, expected in enumerate(probes["probabilities"]):
        request = data[int(offsets[number]) : int(offsets[number + 1])]
        assert request.startswith(b"\x89PNG")
        pixels = decode(request, serving(release).image)[None]
        (probabilities,) = running.run(["probabilities"], {"image": pixels})
        np.testing.assert_allclose(probabilities[0], expected, atol=1e-6)
    assert len(set(probes["probabilities"].argmax(axis=1))) == 3


def test_predictions_do_not_depend_on_the_batch(release: Path, draw: Draw) -> None:
    spec = serving(release).image
    images = np.stack([draw("rings", n, size=spec.width) for n in range(5)])
    running = session((release / "model.onnx").read_bytes())
    together = running.run(None, {"image": images})
    alone = [running.run(None, {"image": image[None]}) for image in images]
    for output, values in enumerate(together):
        np.testing.assert_allclose(values, np.concatenate([outputs[output] for outputs in alone]), atol=1e-5)


def test_only_the_manifest_has_the_time_per_image(builtin_release: Path, int8_release: Path) -> None:
    by_int8: Any = manifest(int8_release).training["quantisation"]["milliseconds_a_photo"]  # type: ignore[index]  # JSON
    by_float: Any = manifest(builtin_release).training["quantisation"]["milliseconds_a_photo"]  # type: ignore[index]  # JSON
    assert set(by_float) == {"float32"}
    assert set(by_int8) == {"float32", "int8", "int8_to_float32"}
    assert min(by_int8.values()) > 0
    assert by_int8["int8_to_float32"] == pytest.approx(by_int8["int8"] / by_int8["float32"], abs=0.001)
    for release in (builtin_release, int8_release):
        assert "milliseconds" not in (release / "metrics.json").read_text()


@pytest.mark.parametrize(
    ("max_loss", "images", "allowed"),
    [(0.003, 212, 1 / 212), (0.003, 5000, 0.003), (0.0, 100, 0.01), (-1.0, 100, -1.0)],
)
def test_int8_may_always_lose_one_image(max_loss: float, images: int, allowed: float) -> None:
    assert allowed_loss(max_loss, images) == allowed


def test_the_manifest_has_what_a_repetition_needs(int8_release: Path) -> None:
    document: Any = manifest(int8_release)
    training, evaluation = document.training, document.evaluation
    assert training["data"]["photos"] == 90
    assert training["seed"] == 0
    assert set(training["versions"]) >= {"larder", "numpy", "onnxruntime", "scikit-learn", "python"}
    assert training["backbone"]["assumed"][0] == "features are the tensor features"
    assert len(training["backbone"]["sha256"]) == 64
    assert training["parent"] is None
    assert evaluation["split"].endswith("images, split at random by class, near-duplicates together")
    assert evaluation["quantisation"]["dtype"] == "int8"
    low, high = evaluation["test"]["accuracy_interval_95"]
    assert low <= evaluation["test"]["accuracy"] <= high
    assert document.structure["operators"]["QLinearConv"] == 3
    assert document.serving.novelty_threshold is not None


def test_built_in_features_stay_in_float32_with_a_reason(builtin_release: Path) -> None:
    quantization: Any = manifest(builtin_release).evaluation["quantisation"]
    assert quantization["dtype"] == "float32"
    assert "no weights to quantise" in quantization["reason"]


def test_int8_that_loses_too_much_falls_back_to_float32(
    options: ClassifierOptions, backbone: Path, tmp_path: Path
) -> None:
    release = train(replace(options, backbone=str(backbone), max_loss=-1.0, out=tmp_path, augment="none"))
    quantization: Any = manifest(release).evaluation["quantisation"]
    assert quantization["dtype"] == "float32"
    assert "int8 loses" in quantization["reason"]
    graph = onnx.load(release / "model.onnx")
    assert not [node for node in graph.graph.node if "QLinear" in node.op_type]


def test_metrics_follow_rekognition_with_further_metrics_of_larder(release: Path) -> None:
    metrics = json.loads((release / "metrics.json").read_bytes())
    assert set(metrics["AggregatedEvaluationResults"]) == {"ConfusionMatrix", "F1Score", "Precision", "Recall"}
    assert [entry["Label"] for entry in metrics["LabelEvaluationResults"]] == ["checks", "rings", "stripes"]
    ours: Any = manifest(release).evaluation["test"]
    assert metrics["larder"]["test"]["accuracy"] == ours["accuracy"]
    assert np.sum(metrics["larder"]["test"]["confusion"]) == ours["photos"]


def test_the_report_is_one_file_with_plots(release: Path) -> None:
    text = (release / "report.html").read_text()
    assert text.count("<svg") >= 3
    titles = ("Errors", "Would more images help?", "Labels", "Confusion matrix", "Reliability")
    for title in (*titles, "Size and speed", "Trials", "Data", "Features"):
        assert f">{title}</h2>" in text
    check_page(text)
    assert release.name in text
    assert str(release.parent) not in text


def test_bad_files_and_copies_are_reported_and_the_training_continues(
    options: ClassifierOptions, images: Path, tmp_path: Path
) -> None:
    data = tmp_path / "images"
    shutil.copytree(images, data)
    (data / "rings/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing else")
    (data / "rings/<script>.png").write_text("not an image")
    shutil.copy(data / "stripes/001.png", data / "stripes/again.png")
    shutil.copy(data / "stripes/002.png", data / "checks/conflict.png")
    release = train(replace(options, data=data, out=tmp_path / "out", augment="none"))
    counts: Any = manifest(release).training["data"]
    assert (counts["bad"], counts["copies"], counts["conflicting"], counts["photos"]) == (2, 1, 2, 89)
    report = (release / "report.html").read_text()
    assert "rings/broken.png" in report
    assert "rings/&lt;script&gt;.png" in report
    assert "checks/conflict.png" in report


@dataclass(frozen=True)
class _Interrupted(Progress):
    """Simulates Ctrl-C during one step."""

    step: str = ""

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        def advance(_: int, note: str = "", /, *, total: int | None = total, seconds_left: float | None = None) -> None:
            del note, seconds_left
            if title == self.step and total:
                raise KeyboardInterrupt

        yield advance


@pytest.mark.parametrize("step", ["Checking images", "Extracting features", "Evaluating on test"])
def test_ctrl_c_leaves_nothing_behind(options: ClassifierOptions, tmp_path: Path, step: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(replace(options, out=tmp_path / "out"), _Interrupted(quiet=True, step=step))
    assert not (tmp_path / "out").exists()


def test_evaluate_reports_other_labels_and_bad_files(
    builtin_release: Path, new_images: Path, save: Save, tmp_path: Path
) -> None:
    data = tmp_path / "images"
    shutil.copytree(new_images, data)
    for number in range(6):
        save(data / "blue" / f"{number}.png", np.full((40, 40, 3), (0, 0, 200 + 5 * number), np.uint8))
    (data / "rings/bad.png").write_bytes(b"bad")
    evaluation: Any = evaluate(builtin_release, data)
    assert evaluation["photos"] == 36
    assert evaluation["foreign_labels"] == {"blue": 6}
    assert [entry["file"] for entry in evaluation["bad_files"]] == ["rings/bad.png"]
    assert evaluation["unknown"]["foreign_flagged"] == 1.0
    assert evaluation["unknown"]["auroc"] == 1.0
    assert evaluation["unknown"]["known_flagged"] < 0.2


def test_evaluate_refuses_unknown_labels_and_releases(
    builtin_release: Path, draw: Draw, save: Save, tmp_path: Path
) -> None:
    for label in ("one", "two"):
        save(tmp_path / label / "0.png", draw(label, 0))
    with pytest.raises(InvalidRequest, match="None of the 0 images has a label of this release"):
        evaluate(builtin_release, tmp_path)  # both files are one image with two labels
    with pytest.raises(InvalidRequest, match="is not a release folder"):
        evaluate(tmp_path, tmp_path)


def test_the_command_trains_and_prints_the_folder(images: Path, backbone: Path, tmp_path: Path) -> None:
    arguments = [str(images), "--model", "patterns", "--out", str(tmp_path), "--backbone", str(backbone)]
    flags = [
        "--mean",
        "120,120,120",
        "--std",
        "60",
        "--resize-short",
        "36",
        "--augment",
        "none",
        "--no-cache",
        "--dtype",
        "float32",
    ]
    result = CliRunner().invoke(command, [*arguments, *flags])
    assert result.exit_code == 0, result.output
    (release,) = (path.parent for path in tmp_path.glob("*/manifest.json"))
    assert str(release) in result.output
    description: Any = manifest(release).training["backbone"]
    assert description["mean"] == [120.0, 120.0, 120.0]
    assert description["assumed"] == ["features are the tensor features", "bilinear resampling"]


def test_the_command_prints_only_json_with_json(images: Path, tmp_path: Path) -> None:
    arguments = [
        str(images),
        "--model",
        "patterns",
        "--out",
        str(tmp_path),
        "--augment",
        "none",
        "--no-cache",
        "--backbone",
        "none",
        "--json",
    ]
    result = CliRunner().invoke(command, arguments)
    output = json.loads(result.stdout)
    assert Path(output["release"]).is_dir()
    assert output["evaluation"]["test"]["accuracy"] > 0.5


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "No Name"], "No Name"),
        (["--model", "a", "--copies", "99"], "copies is 99"),
        (["--model", "a", "--test", "0.9"], "test 0.9"),
        (["--model", "a", "--folds", "1"], "folds is 1"),
        (["--model", "a", "--cache-bytes", "-1"], "cache_bytes is -1: give 0 or more, or --no-cache."),
        (["--model", "a", "--mean", "x"], "'x' is not a number"),
        (["--model", "a", "--backbone", "missing.onnx"], "backbone 'missing.onnx' does not exist"),
        (["--model", "a", "--backbone", "ftp://host/a.onnx"], "cannot be downloaded by ftp"),
    ],
)
def test_the_command_explains_an_invalid_option(images: Path, tmp_path: Path, flags: list[str], message: str) -> None:
    result = CliRunner().invoke(command, [str(images), "--out", str(tmp_path / "out"), *flags])
    assert result.exit_code != 0
    assert message in result.output
    assert not (tmp_path / "out").exists()

"""A multi-label release, from a data frame to answers, publication, evaluation, audit and export."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image
from tests.toys.reports import check_page

from larder.errors import InvalidRequest
from larder.release.serving import ClassifierServing
from larder_training.api.auditing import audit
from larder_training.api.evaluation import evaluate
from larder_training.api.release import Release
from larder_training.api.training import train_classifier
from larder_training.classifier.config.options import ClassifierOptions, SearchLimits
from larder_training.cli.train_classifier import command
from larder_training.export_folder.write import export_folder

COLOURS = {"blue": (30, 40, 230), "green": (30, 220, 40), "red": (230, 30, 30)}
SHARES = {"blue": 0.25, "green": 0.35, "red": 0.5}


def draw(folder: Path, count: int, seed: int) -> pl.DataFrame:
    """Images with a square of each of their colours, and their labels as lists."""
    random = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for number in range(count):
        pixels = random.integers(60, 200, (48, 48, 3)).astype(np.uint8)
        labels = [label for label in COLOURS if random.random() < SHARES[label]]
        for label in labels:
            left, top = 16 * list(COLOURS).index(label), int(random.integers(0, 30))
            pixels[top : top + 16, left : left + 16] = COLOURS[label]
        Image.fromarray(pixels).save(folder / f"{seed}-{number:03}.png")
        rows.append({"path": str(folder / f"{seed}-{number:03}.png"), "label": labels})
    return pl.DataFrame(rows, schema={"path": pl.String, "label": pl.List(pl.String)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("several")


@pytest.fixture(scope="module")
def table(folder: Path) -> pl.DataFrame:
    return draw(folder, 90, 0)


@pytest.fixture(scope="module")
def release(folder: Path, table: pl.DataFrame, backbone: Path) -> Release:
    return train_classifier(
        table,
        model="squares",
        multi_label=True,
        backbone=backbone,
        max_loss=0.1,
        trials=5,
        out=folder / "out",
        cache=None,
        quiet=True,
    )


@pytest.mark.slow
def test_a_release_answers_with_every_label_above_its_threshold(release: Release, folder: Path) -> None:
    serving = release.manifest.serving
    assert isinstance(serving, ClassifierServing)
    assert (serving.multi_label, serving.labels, release.manifest.format) == (True, ("blue", "green", "red"), 2)
    new = draw(folder, 40, 1)
    answers = [release.predict(path) for path in new["path"]]
    right = [
        {label.name for label in answer.labels} == set(labels)
        for answer, labels in zip(answers, new["label"], strict=True)
    ]
    assert np.mean(right) > 0.6
    assert any(not answer.labels for answer in answers)
    sums = [sum(label.confidence for label in release.predict(path, min_confidence=0).labels) for path in new["path"]]
    assert min(sums) < 0.5
    assert max(sums) > 1.5
    assert len(release.predict(new["path"][0], min_confidence=0, max_labels=2).labels) == 2


@pytest.mark.slow
def test_a_release_states_its_metrics_next_to_a_baseline(release: Release, folder: Path) -> None:
    test: dict[str, Any] = release.metrics["test"]
    assert 0 <= test["micro_f1_interval_95"][0] <= test["micro_f1"] <= test["micro_f1_interval_95"][1]
    (baseline,) = release.metrics["baselines"].values()
    assert test["micro_f1"] > baseline["micro_f1"]
    assert release.metrics["quantisation"]["dtype"] == "int8"
    check_page((release.path / "report.html").read_text(encoding="utf-8"))
    found = evaluate(release, draw(folder, 40, 2), quiet=True)
    assert found["multi_label"]
    assert found["micro_f1"] == pytest.approx(test["micro_f1"], abs=0.25)
    other = evaluate(release, [folder / "0-000.png", folder / "0-001.png"], [["red", "pink"], []], quiet=True)
    assert (other["photos"], other["foreign_labels"]) == (2, {"pink": 1})


@pytest.mark.slow
def test_a_release_is_verified_and_probed_and_goes_live(release: Release, tmp_path: Path) -> None:
    assert release.publish(tmp_path / "store").state == "promoted"


@pytest.mark.slow
def test_an_export_says_how_to_read_the_probabilities(release: Release, tmp_path: Path) -> None:
    out = export_folder(release.path, "saved-onnx", tmp_path / "export")
    assert json.loads((out / "preprocessing.json").read_bytes())["multi_label"] is True
    assert "need not sum to 1" in (out / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_an_audit_finds_a_label_that_is_missing_and_one_that_is_wrong(table: pl.DataFrame) -> None:
    labels = [list(found) for found in table["label"]]
    without = next(row for row, found in enumerate(labels) if "red" not in found)
    having = next(row for row, found in enumerate(labels) if "red" in found)
    labels[without].append("red")
    labels[having].remove("red")
    found = audit([*table["path"]], labels, multi_label=True, backbone="none", cache=None, quiet=True)
    found_errors = {
        (Path(row["file"]).name, row["label"], row["proposed"]) for row in found.findings["suspects"]["first"]
    }
    assert (f"0-{without:03}.png", "red", "not red") in found_errors
    assert (f"0-{having:03}.png", "not red", "red") in found_errors


def test_a_list_of_labels_needs_the_option(table: pl.DataFrame) -> None:
    with pytest.raises(InvalidRequest, match="is a list: give one label, or multi_label=True"):
        train_classifier(table, backbone="none", quiet=True)


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"parent": Path("x")}, "--parent"),
        ({"side": {"a": None}}, "--side"),
        ({"augment": "weak"}, "--augment weak"),
        ({"flip": "yes"}, "--flip yes"),
        ({"colour_statistics": True}, "--colour-statistics"),
        ({"search": SearchLimits(class_weights="balanced")}, "--class-weights balanced"),
    ],
)
def test_options_of_one_label_are_refused_by_name(options: dict[str, Any], flag: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{flag} does not work with --multi-label"):
        ClassifierOptions("list.csv", "m", multi_label=True, **options)


def test_a_separator_needs_several_labels() -> None:
    with pytest.raises(InvalidRequest, match="add --multi-label"):
        ClassifierOptions("list.csv", "m", label_separator=";")
    with pytest.raises(InvalidRequest, match="empty"):
        ClassifierOptions("list.csv", "m", multi_label=True, label_separator="")


def test_a_label_of_few_images_or_of_all_is_named(tmp_path: Path) -> None:
    rows = draw(tmp_path, 12, 3)
    text = "".join(
        f"{path},all{'|few' if row < 4 else ''}{'|half' if row % 2 else ''}\n" for row, path in enumerate(rows["path"])
    )
    (tmp_path / "list.csv").write_text(f"path,label\n{text}")
    arguments = [str(tmp_path / "list.csv"), "--model", "m", "--multi-label", "--backbone", "none", "--no-cache"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 1
    assert "'few' has 4 different usable images; 'all' is missing from 0 images only" in result.output

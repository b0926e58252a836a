import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

from larder_local.cli import cli
from larder_training.api.auditing import audit_images
from larder_training.classifier.audit import audit as module
from larder_training.classifier.audit.audit import ImageAudit
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.reports.audit_page import page
from larder_training.classifier.train import train
from larder_training.reporting.progress import Progress

Draw = Callable[..., NDArray[np.uint8]]
Save = Callable[..., Path]
SWAPPED = ("rings/003.png", "stripes/005.png")


@pytest.fixture
def flawed(images: Path, save: Save, tmp_path: Path) -> Path:
    """Images with one fault of each kind, and two images with swapped labels."""
    data = tmp_path / "flawed"
    shutil.copytree(images, data)
    (data / "rings/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing else")
    shutil.copy(data / "stripes/001.png", data / "stripes/again.png")
    shutil.copy(data / "stripes/002.png", data / "checks/conflict.png")
    save(data / "checks/000.jpg", np.asarray(Image.open(data / "checks/000.png")), quality=85)
    shutil.move(data / SWAPPED[0], data / "swap.png")
    shutil.move(data / SWAPPED[1], data / "rings/005-swapped.png")
    shutil.move(data / "swap.png", data / "stripes/003-swapped.png")
    for number, level in enumerate((40, 200)):
        save(data / "plain" / f"{number}.png", np.full((40, 40, 3), (level, 0, 255 - level), np.uint8))
    return data


def audited(data: Path) -> ImageAudit:
    return audit_images(ClassifierOptions(data, "audit", backbone="none", cache=None), Progress(quiet=True))


def test_every_fault_is_reported(flawed: Path) -> None:
    findings: Any = audited(flawed).document()
    assert [entry["file"] for entry in findings["bad"]["first"]] == ["rings/broken.png"]
    assert findings["copies"] == {"count": 1, "first": ["stripes/again.png"]}
    assert findings["conflicting"] == {"count": 2, "first": ["checks/conflict.png", "stripes/002.png"]}
    assert findings["near_duplicates"]["count"] == 1
    (pair,) = findings["near_duplicates"]["first"]
    assert {member["file"] for member in pair} == {"checks/000.jpg", "checks/000.png"}
    assert findings["near_duplicates_of_other_labels"]["count"] == 0
    assert findings["tiny_classes"] == ["plain"]
    assert findings["classes"]["plain"] == {
        "photos": 2,
        "different": 2,
        "suspects": findings["classes"]["plain"]["suspects"],
    }
    assert findings["imbalance"] == pytest.approx(31 / 2, abs=1)
    named = {entry["file"]: entry["proposed"] for entry in findings["suspects"]["first"]}
    assert named["rings/005-swapped.png"] == "stripes"
    assert named["stripes/003-swapped.png"] == "rings"
    assert findings["suspects"]["judged"] == findings["photos"] == 92
    assert json.loads(json.dumps(findings)) == findings


def camera(folder: Path, draw: Draw, save: Save) -> Path:
    """A list of images of one place with little noise; a column repeats the label in a word, another has sessions."""
    place, random = draw("plain", 0).astype(float), np.random.default_rng(0)
    rows = ["path,label,original,session"]
    for number in range(24):
        label, pixels = ("ok", "dirt")[number % 2], place + random.normal(0, 4, place.shape)
        if label == "dirt":
            row, column = random.integers(4, 30, 2)
            pixels[row : row + 5, column : column + 5] = 20
        save(folder / f"{number}.png", pixels.clip(0, 255).astype(np.uint8))
        rows.append(f"{number}.png,{label},{label}_{number:03}.png,{number // 4}")
    (folder / "list.csv").write_text("\n".join(rows))
    return folder / "list.csv"


def test_images_that_look_alike_and_columns_that_reveal_the_label_are_reported(
    tmp_path: Path, draw: Draw, save: Save
) -> None:
    data = camera(tmp_path, draw, save)
    findings = audited(data)
    document: Any = findings.document()
    assert document["together"] == "near-duplicates together"
    assert document["alike"]["count"] >= 1
    assert len(document["alike"]["first"][0]) >= 12
    (leak,) = (leak for leak in document["leaking_columns"] if leak["columns"] == ["original"])
    assert leak["reason"].startswith("its words reveal the label (")
    assert "images look alike without evidence that they are copies" in findings.describe()
    html = page(findings).decode()
    assert "look alike, as images of a fixed camera do" in html
    assert "Columns that reveal the label" in html


def test_the_groups_of_a_column_are_reported(tmp_path: Path, draw: Draw, save: Save) -> None:
    data = camera(tmp_path, draw, save)
    arguments = ["audit", "classifier", str(data), "--groups", "session", "--no-cache", "--json"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["together"] == "images with the same session together"
    assert document["alike"]["count"] == document["near_duplicates"]["count"] == 0
    assert [row["different"] for row in document["classes"].values()] == [6, 6]
    unknown = CliRunner().invoke(cli, [*arguments[:4], "patient"])
    assert unknown.exit_code == 1
    assert "'patient' is neither a column of the list (it has original, session) nor a file" in unknown.output


def test_the_page_has_what_is_wrong_at_its_top_and_how_the_data_were_read(flawed: Path) -> None:
    (flawed / "rings" / "notes.txt").write_text("no image")
    html = page(audited(flawed)).decode()
    top = html.split("<nav")[0]
    assert "1 file cannot be used and is left out" in top
    assert "2 files are left out, because a copy has another label" in top
    assert "rings/notes.txt" in html.split("How the data were read")[1]
    assert str(flawed.parent) not in html


def test_near_duplicates_with_two_labels_are_reported(own_images: Path, save: Save) -> None:
    save(own_images / "checks/other.jpg", np.asarray(Image.open(own_images / "rings/002.png")), quality=85)
    findings = audited(own_images)
    (torn,) = findings.conflicting_groups
    assert {member.image.name for member in torn} == {"checks/other.jpg", "rings/002.png"}
    assert "1 group of near-duplicates with several labels" in findings.describe()
    assert "1 of the groups has several labels" in page(findings).decode()


def test_the_label_of_the_only_image_of_a_class_is_not_checked(own_images: Path, draw: Draw, save: Save) -> None:
    save(own_images / "slope/0.png", draw("slope", 0))
    findings = audited(own_images)
    assert findings.checked_labels == 36
    assert {one.label: one.different for one in findings.classes}["slope"] == 1
    assert "Too few to train on (at least 5 distinct images): slope." in page(findings).decode()


def test_a_class_without_usable_images_is_reported(own_images: Path) -> None:
    for path in (own_images / "rings").iterdir():
        path.write_bytes(b"nothing")
    findings = audited(own_images)
    assert {one.label: one.images for one in findings.classes}["rings"] == 0
    assert findings.imbalance is None


def test_lists_are_bounded_and_counts_are_complete(flawed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LISTED", 1)
    findings: Any = audited(flawed).document()
    assert findings["conflicting"] == {"count": 2, "first": ["checks/conflict.png"]}
    assert findings["suspects"]["count"] >= 2
    assert len(findings["suspects"]["first"]) == 1


def test_the_command_prints_lines_or_json_and_writes_a_report(flawed: Path, tmp_path: Path) -> None:
    report = tmp_path / "audit.html"
    arguments = ["audit", "classifier", str(flawed), "--no-cache", "--backbone", "none"]
    result = CliRunner().invoke(cli, [*arguments, "--report", str(report)])
    assert result.exit_code == 0, result.output
    assert "stripes/003-swapped.png: stripes (" in result.stdout
    assert "rings/broken.png: " in result.stdout
    text = report.read_text()
    assert text.count("<img") >= 4
    assert str(tmp_path) not in text
    printed = CliRunner().invoke(cli, [*arguments, "--json"])
    assert json.loads(printed.stdout)["suspects"]["count"] >= 2


def test_a_backbone_is_used_for_the_audit(flawed: Path, backbone: Path) -> None:
    arguments = ["audit", "classifier", str(flawed), "--no-cache", "--json", "--backbone", str(backbone)]
    printed = CliRunner().invoke(cli, [*arguments, "--mean", "120", "--std", "60"])
    own = audited(flawed).document()["suspects"]
    assert printed.exit_code == 0
    assert json.loads(printed.stdout)["suspects"] != own


def test_an_error_says_what_to_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["audit", "classifier", str(tmp_path / "nothing")])
    assert result.exit_code == 1
    assert "Check the path" in result.output


def test_a_training_writes_the_audit_to_the_report_the_metrics_and_the_manifest(
    flawed: Path, options: ClassifierOptions, tmp_path: Path
) -> None:
    shutil.rmtree(flawed / "plain")
    release = train(replace(options, data=flawed, out=tmp_path / "out", augment="none"))
    findings = json.loads((release / "metrics.json").read_bytes())["larder"]["audit"]
    assert {"rings/005-swapped.png", "stripes/003-swapped.png"} <= {e["file"] for e in findings["suspects"]["first"]}
    data = json.loads((release / "manifest.json").read_bytes())["training"]["data"]
    assert data["labels_that_look_wrong"] == findings["suspects"]["count"]
    report = (release / "report.html").read_text()
    assert ">Likely label errors</h2>" in report
    assert "stripes/003-swapped.png: stripes" in report


def test_it_says_how_far_its_suspicions_can_be_trusted(images: Path, tmp_path: Path, save: Save) -> None:
    # GIVEN classes that differ, and classes of the same noise, which no features can separate
    good = audited(images)
    random = np.random.default_rng(0)
    for number in range(24):
        save(tmp_path / "noise" / "ab"[number % 2] / f"{number}.png", random.integers(0, 255, (32, 32, 3), np.uint8))
    bad = audited(tmp_path / "noise")
    # THEN the measured accuracy out of fold decides what is said
    assert good.agreement is not None
    assert good.agreement >= 0.95
    assert bad.agreement is not None
    assert bad.agreement < 0.9
    assert "A label that they contradict deserves a look." in str(good.trust())
    assert f"predict {bad.agreement:.1%} of the labels out of fold (always the largest class: 50.0%)" in str(
        bad.trust()
    )
    assert "Expect false suspicions" in str(bad.trust())
    assert replace(bad, agreement=None).trust() is None


@pytest.mark.parametrize("seen", [True, False])
def test_an_audit_of_any_number_of_labels_says_how_far_it_can_be_trusted(
    tmp_path: Path, save: Save, seen: bool
) -> None:
    # GIVEN images of noise, on which a label is a coloured or a bright stripe, or nothing
    random, rows = np.random.default_rng(0), ["path,label"]
    for number in range(36):
        pixels = random.integers(90, 160, (32, 32, 3)).astype(np.uint8)
        labels = [label for label, step in (("left", 2), ("right", 3)) if number % step == 0]
        for label in labels if seen else ():
            pixels[:, slice(0, 12) if label == "left" else slice(20, 32)] = (20, 20, 230) if label == "left" else 240
        save(tmp_path / f"{number}.png", pixels)
        rows.append(f"{number}.png,{'|'.join(labels)}")
    (tmp_path / "list.csv").write_text("\n".join(rows))
    options = ClassifierOptions(tmp_path / "list.csv", "audit", multi_label=True, backbone="none", cache=None)
    # WHEN they are audited
    findings = audit_images(options, Progress(quiet=True))
    # THEN each label of an image counts, and the measured F1 decides what is said
    assert findings.agreement is not None
    assert (findings.agreement >= 0.95) is seen
    assert f"reach a micro F1 of {findings.agreement:.2f} out of fold" in str(findings.trust())
    assert ("Expect false suspicions" in str(findings.trust())) is not seen
    assert findings.checked_labels == 2 * len(findings.scan.samples)
    count = f"{len(findings.label_errors)} of {findings.checked_labels} pairs of an image and a label"
    assert count in page(findings).decode()

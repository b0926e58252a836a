"""What a training prints at its end."""

from dataclasses import replace
from pathlib import Path

import pytest

from larder.release.manifest import Manifest, dump
from larder_training.cli.summary import print_release

SCORE = {"recall@20": {"mean": 0.3, "interval": [0.28, 0.32]}}
WEAK = {"recall@20": {"mean": 0.1, "interval": [0.09, 0.11]}}
STRONG = {"recall@20": {"mean": 0.2, "interval": [0.19, 0.21]}}


def test_it_ends_with_quality_report_and_next_command(
    recommender_manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluation = {"users": 900, "metrics": SCORE, "baselines": {"popularity": WEAK, "own_items_again": STRONG}}
    manifest = replace(
        recommender_manifest, evaluation=evaluation, training={"data": {"inputs": {"interactions": {"sha256": "a"}}}}
    )
    folder = tmp_path / manifest.release
    folder.mkdir()
    (folder / "manifest.json").write_bytes(dump(manifest))
    print_release(folder, newest_of=tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Made the recommender shop, release {manifest.release}:"
    assert "recall@20 0.3000 (0.2800 to 0.3200) on 900 test users, 1.50 times the best baseline" in lines[1]
    assert "own items again" in lines[1]
    assert lines[2].split() == ["report", f"{folder}/report.html"]
    assert lines[-1] == "Next: larder publish shop"
    # Outside the usual folder, a model's name would not find it.
    print_release(folder, newest_of=tmp_path / "elsewhere")
    assert capsys.readouterr().out.splitlines()[-1] == f"Next: larder publish {folder}"


def test_a_release_that_was_not_tested_says_so(
    classifier_manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "manifest.json").write_bytes(dump(classifier_manifest))
    print_release(tmp_path, newest_of=tmp_path)
    assert "not measured" in capsys.readouterr().out

"""A release that was trained on shuffled labels, against one of the right ones: the gate of the rollout."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from larder.release import manifest as manifests
from larder.release.quality import quality
from larder.rollout import roll_out, upload
from larder.store import open_store
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.train import train


def shuffled(images: Path, to: Path) -> Path:
    """The images in folders of the same sizes, with labels that do not depend on what they show."""
    paths = sorted(images.glob("*/*.png"))
    labels = np.random.default_rng(1).permutation([path.parent.name for path in paths])
    for number, (path, label) in enumerate(zip(paths, labels, strict=True)):
        (to / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to / label / f"{number:03d}.png")
    return to


def test_it_is_rejected_and_the_live_one_stays(
    builtin_release: Path, options: ClassifierOptions, tmp_path: Path
) -> None:
    # GIVEN a live release of the right labels
    store = open_store("memory://")
    good = upload(builtin_release, store).manifest
    roll_out(store, good.model, good.release)
    # WHEN one that was trained on shuffled labels is uploaded
    later = datetime(2026, 1, 3, tzinfo=UTC)
    images = shuffled(Path(options.data), tmp_path / "images")
    bad = upload(train(replace(options, data=images, out=tmp_path, created=later)), store).manifest
    outcome = roll_out(store, bad.model, bad.release, event=True)
    # THEN it is rejected, with both numbers
    assert outcome.state == "rejected"
    new, live = quality(manifests.parse((tmp_path / bad.release / "manifest.json").read_bytes())), quality(good)
    assert new is not None
    assert live is not None
    assert outcome.reason is not None
    assert new.score.value < 0.6
    assert live.score.value > 0.9
    assert f"new {new.short()} on" in outcome.reason
    assert f"live {live.short()} on" in outcome.reason
    assert outcome.pointer is not None
    assert outcome.pointer.stable == good.release

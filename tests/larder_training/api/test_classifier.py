"""Two lines train an image classifier and ask it; its answers are those of the serving code."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from larder.errors import InvalidRequest, UnsupportedMedia
from larder.registry import Registry
from larder.store import open_store
from larder_training import Release, audit, evaluate, train_classifier

Image = NDArray[np.uint8]


def test_a_training_returns_a_release(classifier: Release, image_options: Mapping[str, object]) -> None:
    assert classifier.path.parent == image_options["out"]
    assert (classifier.kind, classifier.manifest.model) == ("classifier", "classifier")
    assert classifier.metrics["test"]["accuracy"] > 0.6
    assert repr(classifier) == f"Release({str(classifier.path)!r})  # classifier classifier"


def test_a_release_opens_by_its_path(classifier: Release) -> None:
    again = Release(classifier)
    assert again.manifest == classifier.manifest


def test_the_report_shows_itself_in_a_notebook(classifier: Release, tmp_path: Path) -> None:
    report = classifier.report
    assert report._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert report.save(tmp_path / "report.html").read_bytes() == (classifier.path / "report.html").read_bytes()
    assert "save(path) writes it" in repr(report)


def test_one_image_gives_labels_and_a_list_gives_a_list(classifier: Release, images: list[Image]) -> None:
    # WHEN
    first, last = classifier.predict([images[0], images[-1]])
    # THEN
    assert (first.labels[0].name, last.labels[0].name) == ("checks", "stripes")
    assert classifier.predict(images[0]) == first


def test_limits_of_an_answer(classifier: Release, images: list[Image]) -> None:
    everything = classifier.predict(images[0], min_confidence=0)
    assert {label.name for label in everything.labels} == {"checks", "rings", "stripes"}
    assert classifier.predict(images[0], min_confidence=0, max_labels=1).labels == everything.labels[:1]


def test_a_training_starts_from_a_release(
    classifier: Release, images: list[Image], labels: list[str], image_options: Mapping[str, object]
) -> None:
    again = train_classifier(images, labels, **{**image_options, "backbone": None, "parent": classifier})  # type: ignore[arg-type]  # one mapping for all options
    parent = again.manifest.training["parent"]
    assert isinstance(parent, dict)
    assert parent["release"] == classifier.manifest.release


def test_an_evaluation_goes_through_the_serving_code(
    classifier: Release, images: list[Image], labels: list[str]
) -> None:
    result = evaluate(classifier, images, labels, quiet=True)
    assert result["release"] == classifier.manifest.release
    answers = classifier.predict(images, min_confidence=0)
    hits = [answer.labels[0].name == label for answer, label in zip(answers, labels, strict=True)]
    assert result["accuracy"] == pytest.approx(np.mean(hits), abs=1e-4)


def test_an_audit_finds_a_copy_and_shows_a_page(images: list[Image], labels: list[str]) -> None:
    findings = audit([*images, images[0]], [*labels, labels[0]], cache=None, quiet=True)
    assert len(findings.findings["copies"]["first"]) == 1
    assert repr(findings) == findings.summary
    assert "<iframe" in findings._repr_html_()


def test_a_published_release_answers(classifier: Release, store: Path) -> None:
    # WHEN it is published twice
    first, second = classifier.publish(store), classifier.publish(store.as_uri())
    # THEN
    assert (first.state, second.state) == ("promoted", "kept")
    pointer = Registry(open_store(store.as_uri())).pointer("classifier")
    assert pointer is not None
    assert pointer.pointer.stable == classifier.manifest.release


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"images": b"no image"}, UnsupportedMedia, "JPEG, PNG, WebP"),
        ({"images": [b"no image"]}, UnsupportedMedia, r"image 0 \(counted from 0\)"),
        ({"images": [], "side": [{}]}, InvalidRequest, "there are 0 images: give side as a list of as many"),
        ({"images": b"", "max_labels": 0}, InvalidRequest, "max_labels is 0: give 1 or more"),
        ({"images": b"", "min_confidence": 2}, InvalidRequest, "min_confidence is 2: give 0 to 1"),
    ],
)
def test_a_wrong_question_is_refused(
    classifier: Release, arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        classifier.predict(**arguments)  # type: ignore[call-overload]  # wrong on purpose


def test_a_classifier_does_not_recommend(classifier: Release) -> None:
    with pytest.raises(InvalidRequest, match=r"'classifier' is a classifier: use predict\(\)"):
        classifier.recommend("ann")


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"is not a release folder, it has no manifest\.json"):
        Release(tmp_path)


def test_a_mistyped_url_is_not_a_folder(classifier: Release, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception, match=r"'s3:/bucket' is no"):
        classifier.publish("s3:/bucket")
    assert not list(tmp_path.iterdir())

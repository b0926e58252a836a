"""The score behind ``unknown`` against formulas written out, and what a release says of classes it never saw."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from larder_training.classifier.config.options import ClassifierOptions, SearchLimits
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.classifier.evaluation.ood_holdout import estimate, hold_out
from larder_training.classifier.features import backbone
from larder_training.classifier.fitting.assemble import with_head
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.metrics.classification import ood_auroc
from larder_training.classifier.onnx.graph import MIDDLE, optimise, session, to_bytes
from larder_training.classifier.onnx.quantization import quantize_graph
from larder_training.classifier.ood import detector
from larder_training.classifier.ood.detector import LayerWidths, OODDetector
from larder_training.classifier.train import train
from larder_training.numerics.arrays import Floats
from larder_training.reporting.progress import Progress

Labels = NDArray[np.int64]
Make = Callable[..., onnx.ModelProto]
Draw = Callable[..., NDArray[np.uint8]]


def clouds(rows: int, classes: int, size: int, seed: int = 0) -> tuple[Floats, Labels]:
    """Rows of each class around its own centre; in two directions, all classes vary much."""
    random = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    centres = np.random.default_rng(99).uniform(0, 2, (classes, size))
    noise = random.normal(0, 0.2, (rows, size))
    noise[:, :2] *= 6
    return (centres[labels] + noise).astype(np.float32), labels.astype(np.int64)


def reference_scores(features: Floats, labels: Labels, queries: Floats, axes: int) -> NDArray[np.float64]:
    """One minus the largest cosine, with the full covariance matrix inverted."""

    def root(values: Floats) -> NDArray[np.float64]:
        signed = np.sign(values) * np.sqrt(np.abs(values.astype(np.float64)))
        unit: NDArray[np.float64] = signed / np.linalg.norm(signed, axis=1, keepdims=True)
        return unit

    rows, query_rows = root(features), root(queries)
    means = np.stack([rows[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    residuals = rows - means[labels]
    variances, vectors = np.linalg.eigh(residuals.T @ residuals / len(residuals))
    variances[:-axes] = variances[:-axes].mean()
    inverse = vectors @ np.diag(1 / variances) @ vectors.T
    centre = means.mean(axis=0)
    scores = []
    for row in query_rows - centre:
        cosines = [
            row @ inverse @ mean / np.sqrt((row @ inverse @ row) * (mean @ inverse @ mean)) for mean in means - centre
        ]
        scores.append(1 - max(cosines))
    return np.array(scores)


def detector_graph(fitted: OODDetector, opset: int, size: int) -> bytes:
    """A graph of the head only: it reads features, and intermediate layers if the detector does; its weights are 0."""
    sizes = {"features": size, MIDDLE: len(fitted.layer_centre)}
    parts = [name for name in sizes if sizes[name]]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", sizes[name]]) for name in parts]
    image = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", sum(sizes.values())])]
    lengths = numpy_helper.from_array(np.array([sizes[name] for name in parts], np.int64), "lengths")
    nodes = [helper.make_node("Split", ["image", "lengths"], parts, axis=1)]
    graph = helper.make_graph(nodes, "g", image, values, [lengths])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    zeros = np.zeros((size, fitted.directions.shape[1]), np.float32)
    return to_bytes(optimise(with_head(model, zeros, zeros[0], fitted), "extended"))


@pytest.mark.parametrize("opset", [17, 18, 21])
@pytest.mark.parametrize(("classes", "size"), [(2, 6), (5, 40)])
def test_the_graph_agrees_with_the_formula(opset: int, classes: int, size: int) -> None:
    features, labels = clouds(300, classes, size)
    queries = np.concatenate([clouds(20, classes, size, seed=1)[0], -features[:3], 5 * features[:3]])
    fitted = detector.fit_detector(features, labels)
    axes = min(detector.AXES, size // 2)
    assert fitted.axes.shape == (size, axes)
    expected = reference_scores(features, labels, queries, axes)
    (found,) = session(detector_graph(fitted, opset, size)).run(["novelty"], {"image": queries})
    np.testing.assert_allclose(found, expected, atol=2e-4)
    np.testing.assert_allclose(fitted.score(queries), expected, atol=2e-4)
    np.testing.assert_allclose(
        found[-3:], fitted.score(features[:3]), atol=2e-4
    )  # the length of the features does not matter


def with_layers(rows: int, seed: int = 0, *, ood: bool = False) -> tuple[Floats, Labels]:
    """``clouds`` of 3 classes, and 5 columns of intermediate layers, which are shifted for OOD rows."""
    features, labels = clouds(rows, 3, 30, seed)
    random = np.random.default_rng(seed + 100)
    middle = (random.normal(3, 1, (rows, 5)) + labels[:, None]) * np.array([0.1, 1, 1, 10, 1e-9]) + 7 * ood
    return np.concatenate([features, middle], axis=1).astype(np.float32), labels


@pytest.mark.parametrize("opset", [17, 18])
def test_intermediate_layers_are_scaled_by_their_deviations(opset: int) -> None:
    features, labels = with_layers(300)
    queries, _ = with_layers(20, 7, ood=True)
    fitted, held_out = detector.fit_with_held_out_scores(features, labels, np.arange(300), LayerWidths(30, 5))
    layers = features[:, 30:].astype(np.float64)
    means = np.stack([layers[labels == label].mean(axis=0) for label in range(3)])
    deviation = (layers - means[labels]).std(axis=0)
    deviation = np.maximum(deviation, 0.1 * np.median(deviation))
    layer_distances = np.sqrt((((queries[:, None, 30:] - means) / deviation) ** 2).mean(axis=2)).min(axis=1)
    expected = reference_scores(features[:, :30], labels, queries[:, :30], 15) + fitted.layer_weight * layer_distances
    (found,) = session(detector_graph(fitted, opset, 30)).run(["novelty"], {"image": queries})
    np.testing.assert_allclose(found, expected, rtol=2e-4)
    np.testing.assert_allclose(fitted.score(queries), expected, rtol=2e-4)
    # Further columns, such as side information, are ignored.
    np.testing.assert_array_equal(
        fitted.score(np.pad(queries, ((0, 0), (0, 2)), constant_values=9)), fitted.score(queries)
    )
    assert fitted.layer_weight > 0
    assert len(held_out) == 300


def test_the_weight_scales_the_layer_distance_to_its_share() -> None:
    class_distances, layer_distances = np.arange(101, dtype=np.float32), 40 * np.arange(101, dtype=np.float32) + 7
    layer_distances[-1] = 1e6  # one outlier does not change the spread
    assert detector.layer_distance_weight(class_distances, layer_distances) == pytest.approx(detector.LAYER_SHARE / 40)
    assert detector.layer_distance_weight(class_distances, np.zeros(101, np.float32)) == 0


def test_ood_images_that_only_intermediate_layers_notice_are_detected() -> None:
    features, labels = with_layers(600)
    (in_distribution, _), (ood, _) = with_layers(200, 5), with_layers(200, 5, ood=True)
    fitted, held_out = detector.fit_with_held_out_scores(features, labels, np.arange(600), LayerWidths(30, 5))
    last_only, _ = detector.fit_with_held_out_scores(features, labels, np.arange(600), LayerWidths(30))
    assert ood_auroc(fitted.score(in_distribution), fitted.score(ood)) > 0.95
    assert ood_auroc(last_only.score(in_distribution), last_only.score(ood)) == pytest.approx(
        0.5
    )  # the last layer is the same for both
    assert ood_auroc(held_out, fitted.score(in_distribution)) == pytest.approx(0.5, abs=0.06)


def test_a_fit_on_some_rows_equals_a_fit_on_their_copy() -> None:
    features, labels = with_layers(300)
    rows = np.flatnonzero(np.arange(300) % 4)
    in_place = detector.fit_detector(features, labels, layer_widths=LayerWidths(30, 5), rows=rows)
    copied = detector.fit_detector(features[rows], labels[rows], layer_widths=LayerWidths(30, 5))
    np.testing.assert_array_equal(in_place.score(features), copied.score(features))


def test_an_image_whose_features_are_0_has_a_finite_score() -> None:
    features, labels = clouds(60, 3, 8)
    fitted = detector.fit_detector(features, labels)
    (found,) = session(detector_graph(fitted, 17, 8)).run(["novelty"], {"image": np.zeros((1, 8), np.float32)})
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, fitted.score(np.zeros((1, 8), np.float32)), atol=1e-5)


def test_classes_without_variance_are_fitted() -> None:
    labels = np.arange(12) % 3
    features = np.eye(6, dtype=np.float32)[labels]
    found = detector.fit_detector(features, labels).score(np.eye(6, dtype=np.float32))
    np.testing.assert_allclose(found[:3], 0, atol=1e-5)
    assert (found[3:] > 0.9).all()


def test_the_score_detects_what_a_euclidean_distance_misses() -> None:
    """The two directions in which every class varies mislead the Euclidean distance, but not the score."""
    features, labels = clouds(600, 4, 30)
    in_distribution, _ = clouds(200, 4, 30, seed=5)
    ood = in_distribution.copy()
    ood[:, 10:] += np.random.default_rng(3).normal(0, 0.6, ood[:, 10:].shape).astype(np.float32)
    fitted = detector.fit_detector(features, labels)

    def distance(values: Floats) -> Floats:
        unit = values / np.linalg.norm(values, axis=1, keepdims=True)
        means = np.stack([features[labels == c].mean(0) for c in range(4)])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        nearest: Floats = np.linalg.norm(unit[:, None] - means[None], axis=2).min(axis=1)
        return nearest

    auroc = ood_auroc(fitted.score(in_distribution), fitted.score(ood))
    assert auroc > 0.95
    assert auroc > ood_auroc(distance(in_distribution), distance(ood)) + 0.05


def test_int8_keeps_the_ranking(make_backbone: Make, tmp_path: Path, draw: Draw) -> None:
    onnx.save(make_backbone(), tmp_path / "b.onnx")
    features = backbone.load_backbone(tmp_path / "b.onnx", Preprocessing(), {})
    images = np.stack([draw(label, n, size=32) for n in range(40) for label in ("checks", "rings", "plain")])
    labels = np.arange(len(images)) % 3
    (exact,) = session(to_bytes(features.model)).run(["features"], {"image": images})
    fitted = detector.fit_detector(exact[labels < 2], labels[labels < 2])
    quantized = quantize_graph(
        features.model, [image[None] for image in images[:32]], lambda _: 0.0, max_loss=1, progress=Progress(quiet=True)
    )
    assert quantized.model is not None
    zeros = np.zeros((24, 2), np.float32)
    graph = optimise(with_head(quantized.model, zeros, zeros[0], fitted), "extended")
    (found,) = session(to_bytes(graph)).run(["novelty"], {"image": images})
    expected = fitted.score(exact)
    ranks = np.corrcoef(found.argsort().argsort(), expected.argsort().argsort())[0, 1]
    assert ranks > 0.9  # a network with few weights, which int8 changes more than a real one
    in_int8, in_float = (ood_auroc(scores[labels < 2], scores[labels == 2]) for scores in (found, expected))
    assert in_int8 == pytest.approx(in_float, abs=0.03)


def rows_of(features: Floats, labels: Labels, changed: NDArray[np.bool_] | None = None) -> TrainingRows:
    groups = np.arange(len(labels))
    none = np.zeros(len(labels), np.bool_) if changed is None else changed
    return TrainingRows(features, labels, groups, none)


def test_each_class_is_held_out_in_turn() -> None:
    features, labels = clouds(300, 3, 40)
    found = estimate(rows_of(features, labels), ("a", "b", "c"), rate=0.05, seed=0)
    assert found is not None
    assert list(found.auroc) == ["a", "b", "c"]
    assert len(found.ood_scores) == 300
    summary: Any = found.describe()
    assert summary["auroc"] == pytest.approx(np.mean(list(found.auroc.values())))
    assert summary["worst_auroc"] == min(found.auroc.values()) > 0.9
    assert summary["by_label"]["a"]["flagged"] == found.flagged["a"] > 0.5


def test_ood_images_that_look_like_a_class_are_not_detected() -> None:
    features, labels = clouds(400, 4, 40)
    features[labels == 3] = features[labels == 2]  # the same images under another label
    held_out = np.arange(400) % 20 < 4
    in_distribution, ood = hold_out(features, labels, held_out, [3])
    assert (len(in_distribution), len(ood)) == (60, 100)
    assert ood_auroc(in_distribution, ood) < 0.6  # most of them are in the training rows, as label 2


def test_augmented_views_are_not_scored() -> None:
    features, labels = clouds(300, 3, 40)
    twice = np.concatenate([features, features + 100]), np.concatenate([labels, labels])
    changed = np.arange(600) >= 300
    one = estimate(rows_of(features, labels), ("a", "b", "c"), rate=0.05, seed=0)
    other = estimate(rows_of(*twice, changed), ("a", "b", "c"), rate=0.05, seed=0)
    assert one is not None
    assert other is not None
    assert one.auroc == other.auroc


@pytest.mark.parametrize(("rows", "classes"), [(40, 2), (3, 3)])
def test_without_enough_classes_or_rows_there_is_no_estimate(rows: int, classes: int) -> None:
    features, labels = clouds(rows, classes, 10)
    assert estimate(rows_of(features, labels), "abc"[:classes], rate=0.05, seed=0) is None


def test_the_manifest_and_the_report_have_the_estimate(int8_release: Path) -> None:
    found: Any = json.loads((int8_release / "manifest.json").read_bytes())
    unknown = found["evaluation"]["unknown"]
    assert unknown["false_alarms"] == 0.04
    assert set(unknown["classes_left_out"]["by_label"]) == {"checks", "rings", "stripes"}
    assert 0 <= unknown["classes_left_out"]["worst_auroc"] <= unknown["classes_left_out"]["auroc"] <= 1
    assert unknown["known_flagged"]["validation"] < 0.2  # of 14 images
    report = (int8_release / "report.html").read_text()
    assert ">Unknown</h2>" in report
    assert "Flagged as unknown" in report


def test_requested_precision_and_false_alarms_set_the_thresholds(options: ClassifierOptions, tmp_path: Path) -> None:
    queries = replace(
        options, out=tmp_path, precision=0.9, false_alarms=0.2, augment="none", search=SearchLimits(trials=1)
    )
    found: Any = json.loads((train(queries) / "manifest.json").read_bytes())
    summary = found["evaluation"]["thresholds_at_precision"]
    assert summary["precision"] == 0.9
    assert found["serving"]["thresholds"] == list(summary["thresholds"].values())
    summary = {"by": "out of fold, 10 folds", "photos": 78, "false_alarms": 0.2, "novelty_axes": 37}
    assert found["training"]["calibration"] == {**summary, "thresholds": "precision 0.9"}


def test_held_out_images_score_like_new_images() -> None:
    features, labels = clouds(400, 4, 40)
    new, _ = clouds(400, 4, 40, seed=7)
    groups = np.arange(400) // 2  # each image has a near-duplicate, here of another class
    fitted, held_out_scores = detector.fit_with_held_out_scores(features, labels, groups)
    assert ood_auroc(held_out_scores, fitted.score(new)) == pytest.approx(0.5, abs=0.06)
    # AND training images score lower than both, which is why images are held out
    assert ood_auroc(fitted.score(features), fitted.score(new)) > 0.55


def test_a_class_with_one_group_cannot_be_held_out() -> None:
    features, labels = clouds(40, 2, 10)
    fitted, held_out_scores = detector.fit_with_held_out_scores(
        features, labels, np.where(labels == 0, 0, np.arange(40)), LayerWidths(8, 2)
    )
    assert len(held_out_scores) == 0
    assert fitted.layer_weight == 0  # the two distances cannot be compared
    assert np.isfinite(session(detector_graph(fitted, 17, 8)).run(["novelty"], {"image": features})[0]).all()

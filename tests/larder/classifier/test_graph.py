"""The graph: how it is loaded and checked, and how its outputs become labels."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from larder.classifier.graph import Classifier, Label
from larder.errors import InvalidModel, UnreadableImage
from larder.release.serving import ClassifierServing

Graph = Callable[..., bytes]
MakeImage = Callable[..., bytes]


@pytest.fixture
def classifier(graph: Graph, serving: ClassifierServing) -> Classifier:
    return Classifier(graph(), serving)


def test_a_batch_has_probabilities_embeddings_and_ood_scores(classifier: Classifier) -> None:
    images = np.zeros((5, 8, 12, 3), np.uint8)
    images[1, ..., 2] = 255
    probabilities, embedding, ood_scores = classifier.run(images)
    assert (probabilities.shape, embedding.shape, ood_scores.shape) == ((5, 3), (5, 3), (5,))
    assert {array.dtype for array in (probabilities, embedding, ood_scores)} == {np.dtype(np.float32)}
    assert embedding[1].tolist() == [0, 0, 1]
    assert ood_scores.tolist() == [1, 0, 1, 1, 1]
    assert np.allclose(probabilities[1], np.exp([0, 0, 10]) / (np.exp(10) + 2))
    # An image's outputs do not depend on the rest of the batch.
    assert np.array_equal(classifier.run(images[1:2])[0][0], probabilities[1])


def test_labels_above_their_thresholds_are_returned_best_first(classifier: Classifier, make_image: MakeImage) -> None:
    # GIVEN red at 0.917, green at 0.083 (threshold 0.5) and blue at 0.0008 (threshold 0.001)
    result = classifier.classify(make_image((178, 117, 0)))
    weights = np.exp(10 * np.array([178, 117, 0]) / 255)
    assert result.labels == (Label("red", round(float(weights[0] / weights.sum()), 6)),)
    assert not result.unknown
    # Blue's low threshold admits a weak label.
    result = classifier.classify(make_image((178, 117, 20)))
    assert [label.name for label in result.labels] == ["red", "blue"]


def test_min_confidence_replaces_the_thresholds_and_zero_returns_all_labels(
    classifier: Classifier, make_image: MakeImage
) -> None:
    data = make_image((178, 117, 0))
    names = {
        bound: [label.name for label in classifier.classify(data, min_confidence=bound).labels]
        for bound in (0, 0.05, 0.5, 0.95)
    }
    assert names == {0: ["red", "green", "blue"], 0.05: ["red", "green"], 0.5: ["red"], 0.95: []}
    two = classifier.classify(data, min_confidence=0, max_labels=2)
    assert [label.name for label in two.labels] == ["red", "green"]


def test_equal_confidences_keep_the_labels_order(classifier: Classifier, make_image: MakeImage) -> None:
    result = classifier.classify(make_image((9, 9, 9)), min_confidence=0)
    assert [label.name for label in result.labels] == ["red", "green", "blue"]
    assert len({label.confidence for label in result.labels}) == 1


def test_an_out_of_distribution_image_is_unknown_and_still_labelled(
    classifier: Classifier, serving: ClassifierServing, graph: Graph, make_image: MakeImage
) -> None:
    result = classifier.classify(make_image((128, 128, 140)))
    assert result.unknown
    assert [label.name for label in result.labels] == ["blue"]
    # AND a release without an OOD threshold never flags it
    assert (
        not Classifier(graph(), replace(serving, novelty_threshold=None)).classify(make_image((128, 128, 140))).unknown
    )


def test_a_broken_image_raises_the_error_of_decode(classifier: Classifier, make_image: MakeImage) -> None:
    with pytest.raises(UnreadableImage):
        classifier.classify(make_image((1, 2, 3), "JPEG")[:-50])


def test_the_limit_of_pixels_applies(graph: Graph, serving: ClassifierServing, make_image: MakeImage) -> None:
    with pytest.raises(Exception, match="the limit is 700 pixels"):
        Classifier(graph(), serving, max_pixels=700).classify(make_image((1, 2, 3)))


def test_a_graph_that_returns_infinity_is_an_invalid_model(
    graph: Graph, serving: ClassifierServing, make_image: MakeImage
) -> None:
    with pytest.raises(InvalidModel, match=r"NaN or infinity.*promote the previous release"):
        Classifier(graph(scale=float("inf")), serving).classify(make_image((1, 2, 3)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"height": 9}, "input image is .*9, 12, 3.*8, 12, 3"),
        ({"height": "H"}, "input image is"),
        ({"input_type": TensorProto.FLOAT}, r"input image is tensor\(float\)"),
        ({"labels": 4}, "output probabilities is"),
        ({"batch": 1}, "input image is"),
        ({"novelty_name": "ood"}, "ood is unknown; output novelty is missing"),
    ],
)
def test_a_graph_that_differs_from_the_manifest_is_refused(
    graph: Graph, serving: ClassifierServing, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidModel, match=message):
        Classifier(graph(**changes), serving)


@pytest.mark.parametrize("data", [b"", b"not a graph", b"\x08\x09"])
def test_a_file_that_is_not_a_graph_is_refused_without_naming_its_path(
    tmp_path: Path, serving: ClassifierServing, data: bytes
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    for model in (path, data):
        with pytest.raises(InvalidModel, match="Train and publish it again") as caught:
            Classifier(model, serving)
        assert str(tmp_path) not in str(caught.value)


def test_the_session_is_configured_for_small_machines(serving: ClassifierServing, graph: Graph) -> None:
    classifier = Classifier(graph(), serving, threads=2)
    options = classifier._session.get_session_options()
    assert options.intra_op_num_threads == 2
    assert options.inter_op_num_threads == 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.graph_optimization_level.name == "ORT_DISABLE_ALL"
    assert classifier.nbytes > 2 * len(graph())

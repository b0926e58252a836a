"""The graph alone: what it is loaded with, what it must be, and what its numbers become."""

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
Photo = Callable[..., bytes]


@pytest.fixture
def classifier(graph: Graph, serving: ClassifierServing) -> Classifier:
    return Classifier(graph(), serving)


def test_a_batch_gives_probabilities_embeddings_and_novelties(classifier: Classifier) -> None:
    images = np.zeros((5, 8, 12, 3), np.uint8)
    images[1, ..., 2] = 255
    probabilities, embedding, novelty = classifier.run(images)
    assert (probabilities.shape, embedding.shape, novelty.shape) == ((5, 3), (5, 3), (5,))
    assert {array.dtype for array in (probabilities, embedding, novelty)} == {np.dtype(np.float32)}
    assert embedding[1].tolist() == [0, 0, 1]
    assert novelty.tolist() == [1, 0, 1, 1, 1]
    assert np.allclose(probabilities[1], np.exp([0, 0, 10]) / (np.exp(10) + 2))
    # A picture's answer does not depend on those beside it.
    assert np.array_equal(classifier.run(images[1:2])[0][0], probabilities[1])


def test_labels_above_their_thresholds_come_best_first(classifier: Classifier, photo: Photo) -> None:
    # GIVEN red at 0.917, green at 0.083 (threshold 0.5) and blue at 0.0008 (threshold 0.001)
    answer = classifier.classify(photo((178, 117, 0)))
    weights = np.exp(10 * np.array([178, 117, 0]) / 255)
    assert answer.labels == (Label("red", round(float(weights[0] / weights.sum()), 6)),)
    assert not answer.unknown
    # A low threshold of its own lets a weak label in.
    answer = classifier.classify(photo((178, 117, 20)))
    assert [label.name for label in answer.labels] == ["red", "blue"]


def test_min_confidence_takes_the_thresholds_place_and_zero_names_all(classifier: Classifier, photo: Photo) -> None:
    data = photo((178, 117, 0))
    names = {
        bound: [label.name for label in classifier.classify(data, min_confidence=bound).labels]
        for bound in (0, 0.05, 0.5, 0.95)
    }
    assert names == {0: ["red", "green", "blue"], 0.05: ["red", "green"], 0.5: ["red"], 0.95: []}
    two = classifier.classify(data, min_confidence=0, max_labels=2)
    assert [label.name for label in two.labels] == ["red", "green"]


def test_equal_confidences_keep_the_labels_order(classifier: Classifier, photo: Photo) -> None:
    answer = classifier.classify(photo((9, 9, 9)), min_confidence=0)
    assert [label.name for label in answer.labels] == ["red", "green", "blue"]
    assert len({label.confidence for label in answer.labels}) == 1


def test_what_looks_like_nothing_taught_is_unknown_and_still_labelled(
    classifier: Classifier, serving: ClassifierServing, graph: Graph, photo: Photo
) -> None:
    answer = classifier.classify(photo((128, 128, 140)))
    assert answer.unknown
    assert [label.name for label in answer.labels] == ["blue"]
    # AND a release without a threshold of novelty never says so
    assert not Classifier(graph(), replace(serving, novelty_threshold=None)).classify(photo((128, 128, 140))).unknown


def test_a_broken_picture_is_told_as_decode_tells_it(classifier: Classifier, photo: Photo) -> None:
    with pytest.raises(UnreadableImage):
        classifier.classify(photo((1, 2, 3), "JPEG")[:-50])


def test_the_limit_of_pixels_is_passed_on(graph: Graph, serving: ClassifierServing, photo: Photo) -> None:
    with pytest.raises(Exception, match="the limit is 700 pixels"):
        Classifier(graph(), serving, max_pixels=700).classify(photo((1, 2, 3)))


def test_a_graph_that_answers_no_numbers_is_told_as_the_models_fault(
    graph: Graph, serving: ClassifierServing, photo: Photo
) -> None:
    with pytest.raises(InvalidModel, match=r"NaN or infinity.*roll back"):
        Classifier(graph(scale=float("inf")), serving).classify(photo((1, 2, 3)))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"height": 9}, "input image is .*9, 12, 3.*8, 12, 3"),
        ({"height": "H"}, "input image is"),
        ({"input_type": TensorProto.FLOAT}, r"input image is tensor\(float\)"),
        ({"labels": 4}, "output probabilities is"),
        ({"batch": 1}, "input image is"),
        ({"novelty_name": "strangeness"}, "strangeness is unknown; output novelty is missing"),
    ],
)
def test_a_graph_that_is_not_what_the_manifest_says_is_refused(
    graph: Graph, serving: ClassifierServing, wrong: dict[str, object], told: str
) -> None:
    with pytest.raises(InvalidModel, match=told):
        Classifier(graph(**wrong), serving)


@pytest.mark.parametrize("data", [b"", b"no graph at all", b"\x08\x09"])
def test_a_file_that_is_no_graph_is_refused_without_naming_its_path(
    tmp_path: Path, serving: ClassifierServing, data: bytes
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    for given in (path, data):
        with pytest.raises(InvalidModel, match="Train and publish it again") as caught:
            Classifier(given, serving)
        assert str(tmp_path) not in str(caught.value)


def test_the_session_is_set_for_small_machines(serving: ClassifierServing, graph: Graph) -> None:
    classifier = Classifier(graph(), serving, threads=2)
    options = classifier._session.get_session_options()
    assert options.intra_op_num_threads == 2
    assert options.inter_op_num_threads == 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.graph_optimization_level.name == "ORT_DISABLE_ALL"
    assert classifier.nbytes > 2 * len(graph())

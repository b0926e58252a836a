"""The keywords of the API are the fields of the options classes, so that no option exists in one place alone."""

from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

from larder.errors import InvalidRequest
from larder_training import ClassifierOptions, RecommenderOptions
from larder_training.api.keywords import (
    ClassifierKeywords,
    ImageKeywords,
    RecommenderKeywords,
    arguments,
    keyword_owners,
)
from larder_training.classifier.config.options import SearchLimits
from larder_training.classifier.config.preprocessing import Preprocessing


def test_the_classifiers_keywords_are_its_options() -> None:
    assert set(ClassifierKeywords.__annotations__) == set(keyword_owners(ClassifierOptions)) - {"data"}


def test_the_recommenders_keywords_are_its_options() -> None:
    inputs = {"interactions", "items", "users"}
    assert set(RecommenderKeywords.__annotations__) == set(keyword_owners(RecommenderOptions)) - inputs


@pytest.mark.parametrize(
    ("keywords", "owners"),
    [
        (ClassifierKeywords, (ClassifierOptions, SearchLimits, Preprocessing)),
        (RecommenderKeywords, (RecommenderOptions,)),
    ],
)
def test_a_keyword_accepts_what_its_field_accepts(keywords: type, owners: tuple[type, ...]) -> None:
    hints = {name: hint for owner in owners for name, hint in get_type_hints(owner).items()}
    for name, hint in get_type_hints(keywords).items():
        if hints[name] in (int, float, bool, int | None, float | None):  # paths and sequences are converted
            assert hint == hints[name], name


def test_flat_keywords_fill_nested_options() -> None:
    values = arguments(
        ClassifierOptions,
        ClassifierKeywords,
        {"trials": 3, "resize_short": 64, "backbone": Path("net.onnx"), "out": "releases", "mean": [0.5]},
        "train_classifier",
    )
    assert values == {
        "backbone": "net.onnx",
        "out": Path("releases"),
        "search": SearchLimits(trials=3),
        "preprocessing": Preprocessing(resize_short=64, mean=(0.5,)),
    }


def test_numbers_of_numpy_are_numbers() -> None:
    values = arguments(RecommenderOptions, RecommenderKeywords, {"trials": np.int64(2), "minutes": np.float32(1)}, "f")
    assert values == {"trials": 2, "minutes": 1.0}


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"trails": 3}, r"train_classifier\(\) has no option 'trails'; did you mean 'trials'\?"),
        ({"xyzzy": 3}, r"train_classifier\(\) has no option 'xyzzy'; give one of augment, "),
        ({"data": "images"}, r"train_classifier\(\) has no option 'data'"),
        ({"trials": "3"}, "trials is '3': give a whole number"),
        ({"trials": 2.5}, "trials is 2.5: give a whole number"),
        ({"trials": None}, "trials is None: give a whole number"),
        ({"minutes": "1"}, "minutes is '1': give a number or None"),
        ({"seed": True}, "seed is True: give a whole number"),
    ],
)
def test_a_wrong_keyword_is_a_type_error(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        arguments(ClassifierOptions, ClassifierKeywords, keywords, "train_classifier")


def test_a_function_refuses_the_keywords_of_another() -> None:
    with pytest.raises(TypeError, match=r"audit\(\) has no option 'trials'"):
        arguments(ClassifierOptions, ImageKeywords, {"trials": 3}, "audit")


def test_a_value_out_of_range_is_an_invalid_request() -> None:
    with pytest.raises(InvalidRequest, match="trials is 0: give a number from 1 to 1000"):
        arguments(ClassifierOptions, ClassifierKeywords, {"trials": 0}, "train_classifier")

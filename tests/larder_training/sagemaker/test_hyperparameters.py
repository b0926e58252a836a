"""Hyperparameters of a job: texts, in the types and the limits of the published schemas."""

import json
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from larder.errors import InvalidRequest
from larder.jobs.hyperparameters import read, schema
from larder.release.manifest import KINDS, Kind
from larder.release.serving import COLUMN_TYPES, RESAMPLINGS
from larder_training import ClassifierOptions, RecommenderOptions
from larder_training.api.keywords import ClassifierKeywords, RecommenderKeywords, arguments
from larder_training.recommender.config.options import OPTIONAL_COMPONENTS

OWN = {"kind", "list"}  # not options of a training
# Options that the container sets: folders, and files that are channels.
CONTAINERS = {"out", "created", "cache", "cache_bytes", "parent", "compare_with", "backbone_spec", "schema"}
OPTIONS: dict[str, tuple[type[Any], type[Any]]] = {
    "classifier": (ClassifierOptions, ClassifierKeywords),
    "recommender": (RecommenderOptions, RecommenderKeywords),
}
GIVEN: dict[str, dict[str, Any]] = {"classifier": {"data": "images"}, "recommender": {"interactions": "log.csv"}}


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_has_every_option_with_its_default(kind: Kind) -> None:
    options, keywords = OPTIONS[kind]
    document = schema(kind)
    Draft202012Validator.check_schema(document)
    assert set(document["properties"]) - OWN == set(keywords.__annotations__) - CONTAINERS
    defaults = defaults_of(options)
    for name, about in document["properties"].items():
        assert "description" in about, name
        if "default" in about:
            assert about["default"] == defaults[name], name
        elif name not in {*OWN, "model"}:
            assert not defaults[name], f"{name} has the default {defaults[name]!r}"


def defaults_of(options: type[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in fields(options):
        nested: Any = field.default_factory
        if is_dataclass(nested):
            found |= defaults_of(nested)  # type: ignore[arg-type]  # it is a class
        else:
            found[field.name] = field.default if nested is MISSING else nested()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_options_accept_what_the_schema_accepts_at_its_limits(kind: Kind) -> None:
    options, keywords = OPTIONS[kind]
    for name, about in schema(kind)["properties"].items():
        if name in OWN:
            continue
        limits = [about[limit] for limit in ("minimum", "maximum") if limit in about]
        for value in (*limits, *about.get("enum", ()), *about.get("examples", ())):
            others = {"multi_label": True} if name == "label_separator" else {}
            parsed = arguments(options, keywords, {"model": "m", name: value, **others}, "train")
            options(**{**GIVEN[kind], **parsed})  # raises what it refuses


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_refuses_what_the_options_refuse_beyond_a_limit(kind: Kind) -> None:
    options, keywords = OPTIONS[kind]
    refused = 0
    for name, about in schema(kind)["properties"].items():
        beyond = [about["minimum"] - 1] if "minimum" in about else []
        for value in (*beyond, *([about["maximum"] + 1] if "maximum" in about else ())):
            with pytest.raises(InvalidRequest, match=f"Hyperparameter '{name}' is "):
                read({"kind": kind, "model": "m", name: json.dumps(value)})
            try:
                options(**{**GIVEN[kind], **arguments(options, keywords, {"model": "m", name: value}, "train")})
            except InvalidRequest:
                refused += 1
    assert refused >= 3


def test_choices_are_those_of_the_code() -> None:
    classifier, recommender = schema("classifier")["properties"], schema("recommender")["properties"]
    assert classifier["resampling"]["enum"] == list(RESAMPLINGS)
    assert {*classifier["side"]["additionalProperties"]["enum"]} == {*COLUMN_TYPES, None}
    assert recommender["without"]["items"]["enum"] == list(OPTIONAL_COMPONENTS)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("trials", "3", 3),
        ("trials", 3, 3),  # a process on this machine may have JSON's types
        ("hidden", "true", True),
        ("hidden", "True", True),  # str(True), as SageMaker's SDK writes it
        ("test", "0.2", 0.2),
        ("mean", "[1, 2, 3]", [1, 2, 3]),
        ("side", '{"price": "number"}', {"price": "number"}),
        ("backbone", "none", "none"),
        ("backbone", '"lite0"', "lite0"),  # a framework estimator encodes a text as JSON
        ("groups", "7", "7"),
        ("augment", "none", "none"),
    ],
)
def test_a_text_has_the_type_of_its_schema(name: str, text: object, value: object) -> None:
    assert read({"kind": "classifier", "model": "pets", name: text}) == (
        "classifier",
        {"model": "pets", name: value},
    )


def test_none_is_the_default_and_names_of_sagemaker_are_left_out() -> None:
    texts = {"kind": '"recommender"', "model": "shop", "trials": "None", "half_life_days": "null"}
    additional = {"sagemaker_program": "train.py", "_tuning_objective_metric": "test:recall@20"}
    assert read({**texts, **additional}) == ("recommender", {"model": "shop"})


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"kind": "classifier", "trails": "3"}, "'model' is missing: give a text, such as \"pets\"."),
        ({"kind": "classifier", "trails": "3"}, "'trails' ('3') is unknown: did you mean 'trials'?"),
        ({"kind": "recommender", "backbone": "none"}, "'backbone' ('none') is unknown: give one of allow_small,"),
        ({"kind": "classifier", "trials": "many"}, "'trials' is 'many': give a whole number from 1 to 1000."),
        ({"kind": "classifier", "trials": "2.5"}, "'trials' is '2.5': give a whole number from 1 to 1000."),
        ({"kind": "classifier", "minutes": "0"}, "'minutes' is '0': give a number above 0 and at most 10000."),
        ({"kind": "classifier", "hidden": "yes"}, "'hidden' is 'yes': give true or false."),
        ({"kind": "classifier", "flip": "maybe"}, "'flip' is 'maybe': give one of auto, yes, no."),
        ({"kind": "classifier", "mean": "1,2"}, "'mean' is '1,2': give a JSON list, such as [123.7, 116.3, 103.5]."),
        ({"kind": "recommender", "event_weights": "view=1"}, 'give a JSON object, such as {"view": 1, "cart": 3}.'),
        ({"kind": "recommender", "trials": "-1"}, "'trials' is '-1': give a whole number from 0."),
        ({"kind": "recommender", "model": "My Shop"}, "'model' is 'My Shop': give a text, such as \"shop\"."),
        ({}, "Hyperparameter 'kind' is missing: give one of classifier, recommender."),
        ({"kind": "regressor"}, "Hyperparameter 'kind' is 'regressor': give one of classifier, recommender."),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(texts: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(texts)
    assert message in str(caught.value)

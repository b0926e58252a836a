"""Hyperparameters of a training job, checked against the published JSON schema of each kind of model.

The API checks them before a job is written, and the training checks them again. The schemas are the files
``schemas/classifier.json`` and ``recommender.json``.
"""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any, Final

from larder.errors import InvalidRequest
from larder.release.manifest import KINDS, Kind

_LONGEST: Final = 80  # characters of a value that a message repeats
_WORDS: Final[Mapping[str, Any]] = {"true": True, "false": False, "none": None}  # as Python's SDK writes them


@cache
def schema(kind: Kind) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of the hyperparameters of a kind of model, in their JSON types."""
    text = (files("larder.jobs") / "schemas" / f"{kind}.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def read(texts: Mapping[str, object]) -> tuple[Kind, dict[str, Any]]:
    """Reads and checks hyperparameters.

    Args:
        texts: The values by name. Texts are parsed as JSON where the schema has another type; names that SageMaker adds
            (``sagemaker_program``, ``_tuning_objective_metric``) are left out.

    Returns:
        The kind of the model, and the other hyperparameters in the types of the schema.

    Raises:
        InvalidRequest: A name is unknown or missing, or a value is wrong; the message lists every problem with its
            name, its value, and what is allowed.
    """
    own = {name: value for name, value in texts.items() if not name.startswith(("_", "sagemaker_"))}
    kind = _kind(own.pop("kind", None))
    properties = schema(kind)["properties"]
    values = {name: _parsed(value, properties.get(name, {})) for name, value in own.items()}
    problems = list(_problems(schema(kind), {"kind": kind, **values}, own))
    if problems:
        raise InvalidRequest(" ".join(problems))
    return kind, {name: value for name, value in values.items() if value is not None}


def _kind(value: object) -> Kind:
    text = _parsed(value, {"type": "string"})
    kind = next((known for known in KINDS if known == text), None)
    if kind is None:
        given = "missing" if value is None else _shown(value)
        raise InvalidRequest(f"Hyperparameter 'kind' is {given}: give one of {', '.join(KINDS)}.")
    return kind


def _parsed(value: object, about: Mapping[str, Any]) -> object:
    """The value of a text in the type of its schema; the text itself if it is not JSON."""
    if not isinstance(value, str):
        return value
    try:
        parsed = _WORDS[value.lower()] if value.lower() in _WORDS else json.loads(value)
    except ValueError:
        return value
    if about.get("type") == "string":  # SDKs write a text as JSON, with its quotes, or as it is
        return parsed if isinstance(parsed, str) else value
    return parsed


def _problems(document: Mapping[str, Any], values: Mapping[str, object], texts: Mapping[str, object]) -> Iterator[str]:
    properties = document["properties"]
    for name in document["required"]:
        if name not in values:
            yield f"Hyperparameter {name!r} is missing: give {_allowed(properties[name])}."
    for name, value in values.items():
        if name not in properties:
            near = get_close_matches(name, properties, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"give one of {', '.join(sorted(properties))}."
            yield f"Hyperparameter {name!r} ({_shown(texts[name])}) is unknown: {remedy}"
        elif value is not None and not _is_valid(document, name, value):
            yield f"Hyperparameter {name!r} is {_shown(texts[name])}: give {_allowed(properties[name])}."


def _is_valid(document: Mapping[str, Any], name: str, value: object) -> bool:
    # Its newest draft is 7, in which the keywords of these schemas mean the same. It is imported here, since few
    # requests start a training.
    import fastjsonschema

    try:
        fastjsonschema.compile(document["properties"][name], use_default=False)(value)
    except fastjsonschema.JsonSchemaValueException:
        return False
    return True


def _allowed(about: Mapping[str, Any]) -> str:
    """What the schema of one hyperparameter allows, in words."""
    if "enum" in about and len(about["enum"]) == 1:
        return str(about["enum"][0])
    if "enum" in about:
        return f"one of {', '.join(map(str, about['enum']))}"
    if about["type"] in ("integer", "number"):
        noun = "a whole number" if about["type"] == "integer" else "a number"
        low, above, high = (about.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
        if low is not None and high is not None:
            return f"{noun} from {low} to {high}"
        limits = [f"above {above}" if above is not None else "", f"from {low}" if low is not None else ""]
        limits.append(f"at most {high}" if high is not None else "")
        return f"{noun} {' and '.join(filter(None, limits))}".rstrip()
    nouns = {"boolean": "true or false", "array": "a JSON list", "object": "a JSON object", "string": "a text"}
    example = f", such as {json.dumps(about['examples'][0])}" if "examples" in about else ""
    return nouns[about["type"]] + example


def as_text(value: object) -> str:
    """The value as a job states it: ``read`` of it gives the value."""
    return value if isinstance(value, str) else json.dumps(value)


def _shown(value: object) -> str:
    text = as_text(value)
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")

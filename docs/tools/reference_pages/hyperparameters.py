"""``hyperparameters.md``: the published schemas of hyperparameters, and the channels of each kind of model."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from larder.jobs.channels import MAIN, OTHERS
from larder.jobs.hyperparameters import schema
from larder.release.manifest import KINDS, Kind
from reference_pages.markdown import escape, page, table


def render() -> str:
    """The page ``hyperparameters.md``."""
    introduction = (
        "What a training job takes, from the JSON schemas by which it is "
        "checked (`layers/larder/larder/jobs/schemas`). See [Train on SageMaker](../how-to/train-on-sagemaker.md)."
    )
    sections = [text for kind in KINDS for text in _section(kind)]
    return page("Hyperparameters of training jobs", introduction, *sections)


def _section(kind: Kind) -> Iterator[str]:
    yield f"## Hyperparameters of a {kind}"
    yield table(["name", "type", "values", "default", "meaning"], list(_rows(kind)))
    others = ", ".join(f"`{name}`" for name in OTHERS[kind])
    yield f"Channels: `{MAIN[kind]}` (or `training`, if it is the only one), and optionally {others}."


def _rows(kind: Kind) -> Iterator[list[str]]:
    document = schema(kind)
    for name, about in document["properties"].items():
        if name in document["required"]:
            continue  # a request states them in its path and in fields of their own
        default = f"`{json.dumps(about['default'])}`" if "default" in about else ""
        yield [f"`{name}`", about["type"], _values(about), default, escape(about["description"])]


def _values(about: Mapping[str, Any]) -> str:
    if "enum" in about:
        return ", ".join(f"`{value}`" for value in about["enum"])
    limits = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to"}
    parts = [f"{word} {about[key]}" for key, word in limits.items() if key in about]
    example = f"such as `{escape(json.dumps(about['examples'][0], ensure_ascii=False))}`" if "examples" in about else ""
    return " ".join(parts) or example

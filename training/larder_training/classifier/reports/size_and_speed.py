"""The report's section on the size and the speed of a release, next to float32."""

from collections.abc import Mapping
from typing import Any, Final, cast

from larder_training.classifier.fitting.export import EVALUATED
from larder_training.reporting.counts import counted
from larder_training.reporting.html import Section, paragraph, table
from larder_training.reporting.values import percent, size

PART_NAMES: Final = {"validation": "held out", "test": "test"}


def size_and_speed(
    comparison: Mapping[str, object],
    model: bytes,
    float_model: bytes | None,
    training: Mapping[str, object],
    *,
    right: str = "Accuracy",
    same: str = "Same label",
) -> Section:
    """What int8 changes, or why the release stays in float32.

    Args:
        comparison: Accuracy of float32 and of the release, by evaluated part.
        model: The released graph.
        float_model: The same in float32; None if it is the released one.
        training: The manifest's section.
        right: The name of the accuracy.
        same: The name of the agreement.
    """
    compared = cast("Mapping[str, Any]", comparison)
    rows: list[tuple[object, ...]] = [
        (
            f"{right}, {PART_NAMES[part]}",
            *(percent(compared[part][name]) for name in ("float32_accuracy", "release_accuracy")),
        )
        for part in EVALUATED
    ]
    rows.append(("Size", *(size(len(graph)) for graph in (model if float_model is None else float_model, model))))
    quantization = cast("Mapping[str, Mapping[str, float]]", training["quantisation"])
    milliseconds = quantization["milliseconds_a_photo"]
    rows.append(
        ("Milliseconds per image, one thread", *(milliseconds.get(name) for name in ("float32", compared["dtype"])))
    )
    rows += [(f"{same}, {PART_NAMES[part]}", None, percent(compared[part]["agreement"])) for part in EVALUATED]
    text = f"The release is in {compared['dtype']}" + (f": {compared['reason']}" if "reason" in compared else "")
    float_nodes = compared.get("float_nodes", ())
    more = ""
    if float_nodes and compared["dtype"] == "int8":
        more = f" {counted(len(float_nodes), 'sensitive operator')} in float32."
    return Section.of(
        "Size and speed", paragraph(f"{text}.{more}"), table(("Question", "float32", "This release"), rows)
    )

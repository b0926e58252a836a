"""The report's section on what the head reads."""

from collections.abc import Mapping
from typing import Final

from larder_training.reporting.html import Section, paragraph, properties

_NAMES: Final = {
    "assumed": "assumed, since it is not stated",
    "builtin": "built-in features",
    "from": "downloaded from",
    "sha256": "SHA-256",
    "features": "number of features",
    "output": "tensor of the graph",
}


def features_section(description: Mapping[str, object]) -> Section:
    """The backbone and its preprocessing, from the description of a feature graph."""
    named = {_NAMES.get(name, name): value for name, value in description.items()}
    built_in = "The built-in features: shapes (histograms of oriented gradients) and colours, without a backbone."
    text = built_in if "builtin" in description else "The backbone, and how images are prepared for it."
    return Section.of("Features", paragraph(text), properties(named))

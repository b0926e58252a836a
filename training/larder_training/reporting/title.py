"""The title block of a report: which model this is, from which data and by which command, and the main result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from larder.release.manifest import Manifest


@dataclass(frozen=True, slots=True)
class TitleBlock:
    """The top of a report.

    Attributes:
        kind: What the report is, such as "Classifier".
        name: The name of what it describes.
        headline: The main result, in a sentence.
        context: What the result is compared with, and how sure it is.
        about: Release, date, data, command: values by their names.
        warnings: What to look at before anything else.
    """

    kind: str
    name: str
    headline: str = ""
    context: str = ""
    about: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()


def about(manifest: Manifest, data: str) -> dict[str, str]:
    """What identifies a release: its name, date, data and command."""
    training = manifest.training
    return {
        "Release": manifest.release,
        "Created": manifest.created.replace("T", " ").replace("Z", " UTC"),
        "Data": data,
        **({"Command": str(training["command"])} if "command" in training else {}),
    }


def warnings(manifest: Manifest) -> list[str]:
    """The warnings of the training."""
    return list(cast("Sequence[str]", manifest.training.get("warnings", ())))

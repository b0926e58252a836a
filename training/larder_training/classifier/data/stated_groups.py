"""Groups that the user states: images of one value in a column, or of one group in a CSV file, stay together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from larder.errors import InvalidRequest
from larder_training.classifier.data.formats.entries import ListText
from larder_training.classifier.data.formats.parsed import read_table
from larder_training.classifier.data.manifests import LabelledImage
from larder_training.io.text_encoding import read_text
from larder_training.reporting.counts import counted

NONE: Final = "none"
_LISTED: Final = 20  # columns that an error message names


@dataclass(frozen=True, slots=True)
class StatedGroups:
    """The groups of a data set, as the user states them.

    Attributes:
        how: What stays together, to follow "split at random by class".
        group_of: The group of each image by its name; an image without one is a group of its own.
        column: The column that has the groups, if it is one of the list.
    """

    how: str
    group_of: Mapping[str, str]
    column: str | None = None

    @property
    def off(self) -> bool:
        """Whether nothing stays together, not even boxes of one image."""
        return not self.group_of

    def describe(self, images: int) -> str:
        """One line for the log.

        Args:
            images: Number of usable images.
        """
        if self.off:
            return f"Groups are switched off: {self.how}"
        alone = images - len(self.group_of)
        more = counted(alone, "image has no group and counts by itself", "images have no group and count by themselves")
        return f"{counted(len(set(self.group_of.values())), 'group')}: {self.how}{f'; {more}' if alone > 0 else ''}"


def stated_groups(stated: str | None, images: Sequence[LabelledImage]) -> StatedGroups | None:
    """The groups of ``--groups``; None if it is not given.

    Args:
        stated: "none", a column of the list, or a CSV file with the columns ``path`` and ``group``.
        images: All images of the data set.

    Raises:
        InvalidRequest: There is neither such a column nor such a file, or the file is invalid; the message names the
            line.
    """
    if stated is None:
        return None
    if stated == NONE:
        return StatedGroups("each image by itself", {})
    columns = sorted({name for image in images for name in image.side})
    if stated in columns:
        groups = {image.name: str(image.side[stated]) for image in images if stated in image.side}
        return StatedGroups(f"images with the same {stated} together", groups, stated)
    file = Path(stated)
    if not file.is_file():
        named = ", ".join(columns[:_LISTED]) or "no further column"
        raise InvalidRequest(
            f"--groups {stated!r} is neither a column of the list (it has {named}) nor a file. Give a column, a CSV "
            "file with the columns path and group, or none."
        )
    return StatedGroups(f"groups of {file.name} together", dict(_of_file(file, images)))


def _of_file(file: Path, images: Sequence[LabelledImage]) -> Iterator[tuple[str, str]]:
    names = {image.name for image in images}
    places = {image.path.resolve(): image.name for image in images if image.origin is None}
    text, _ = read_text(file, file.name)
    table = read_table(ListText(file.name, text))
    columns = {name.lower(): position for position, name in enumerate(table.header)}
    if not {"path", "group"} <= set(columns):
        raise InvalidRequest(f"{file.name} must have the columns path and group in its header. Correct it.")
    for line, cells in table.rows:
        path, group = (cells[columns[name]].strip() if columns[name] < len(cells) else "" for name in ("path", "group"))
        name = path if path in names else places.get((file.parent / path).resolve()) or places.get(_here(path))
        if name is None:
            raise InvalidRequest(
                f"{file.name} line {line}: {path!r} is not an image of the data set. Write its path as the data set "
                f"does, such as {images[0].name!r}."
            )
        if group:
            yield name, group


def _here(path: str) -> Path:
    return Path(path).resolve()

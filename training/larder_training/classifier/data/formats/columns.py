"""Finds the columns of image, label and split in the header of a list."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from larder.errors import InvalidRequest

ROLES: Final = ("path", "label", "split")
# Common names, in lower case with _ for blanks. Larder's own name, the first, wins over the others.
_NAMES: Final[Mapping[str, frozenset[str]]] = {
    role: frozenset(names.split())
    for role, names in {
        "path": "path filename file image image_path image_name file_name img filepath file_path imagepath imagename "
        "img_path img_name image_file image_filename image_url image_uri fname",
        "label": "label labels class category target species class_name classname label_name labelname category_name "
        "class_label image_label breed diagnosis tag tags y ground_truth",
        "split": "split set subset partition data_set dataset usage fold part",
    }.items()
}
_SHOWN: Final = 12  # names of a header in a message


@dataclass(frozen=True, slots=True)
class Columns:
    """The header's names of the columns that a list needs.

    Attributes:
        path: The images.
        label: The labels.
        split: The parts of the split; None without one.
        split_is_certain: Whether the column was stated or has Larder's own name, so that odd values are errors.
    """

    path: str
    label: str
    split: str | None
    split_is_certain: bool

    def describe(self) -> str | None:
        """What was chosen; None if all names are Larder's own."""
        if (self.path, self.label, self.split or "split") == ROLES:
            return None
        split = f", the split from {self.split!r}" if self.split else ""
        return f"images from the column {self.path!r}, labels from {self.label!r}{split}"


def choose_columns(name: str, header: Sequence[str], stated: Mapping[str, str]) -> Columns:
    """The columns of a list: as stated, else by their names, without regard to case and blanks.

    Args:
        name: The list's name in messages.
        header: The names of the columns.
        stated: The columns that the user states, by role.

    Raises:
        InvalidRequest: A column is missing or ambiguous; the message lists the choices and the option that decides.
    """
    doubled = sorted({column for column in header if column and header.count(column) > 1})
    if doubled:
        raise InvalidRequest(f"{name} has two columns named {doubled[0]!r}: rename or remove one.")
    found = {role: _choose(name, header, role, stated) for role in ROLES}
    missing = [role for role in ("path", "label") if found[role] is None]
    if missing:
        option = ",".join(f"{role}=NAME" for role in missing)
        raise InvalidRequest(
            f"{name} has the columns {_listed(header)}, and none is known as {' or '.join(missing)}: name them path "
            f"and label in the header, or state them, --columns {option}."
        )
    split = found["split"]
    certain = split is not None and ("split" in stated or _plain(split) == "split")
    return Columns(str(found["path"]), str(found["label"]), split, certain)


def has_columns(header: Sequence[str], stated: Mapping[str, str]) -> bool:
    """Whether a header has a column for the image and one for the label."""
    names = {_plain(column) for column in header}
    return all(role in stated or names & _NAMES[role] for role in ("path", "label"))


def image_column(name: str, header: Sequence[str], stated: Mapping[str, str]) -> str | None:
    """The column of the images alone; None if there is none. Raises InvalidRequest if several fit."""
    return _choose(name, header, "path", stated)


def split_column(name: str, header: Sequence[str], stated: Mapping[str, str]) -> str | None:
    """The column of the split alone; None if there is none. Raises InvalidRequest if several fit."""
    return _choose(name, header, "split", stated)


def _choose(name: str, header: Sequence[str], role: str, stated: Mapping[str, str]) -> str | None:
    if role in stated:
        fitting = [column for column in header if column == stated[role]]
        fitting = fitting or [column for column in header if _plain(column) == _plain(stated[role])]
        if not fitting:
            raise InvalidRequest(
                f"{name} has no column {stated[role]!r}, which --columns states as {role}: it has {_listed(header)}."
            )
        return fitting[0]
    taken = set(stated.values())
    fitting = [column for column in header if _plain(column) in _NAMES[role] and column not in taken]
    own = [column for column in fitting if _plain(column) == role]
    fitting = own or fitting
    if len(fitting) > 1:
        options = " or ".join(f"--columns {role}={column}" for column in fitting)
        raise InvalidRequest(
            f"{name} has several columns that may be the {role}: {', '.join(fitting)}. Give {options}."
        )
    return fitting[0] if fitting else None


def _plain(column: str) -> str:
    text = unicodedata.normalize("NFKC", column).casefold().replace("-", " ").replace("_", " ")
    return "_".join(text.split())


def _listed(header: Sequence[str]) -> str:
    more = f" and {len(header) - _SHOWN} more" if len(header) > _SHOWN else ""
    return ", ".join(column[:40] or "(no name)" for column in header[:_SHOWN]) + more or "none"

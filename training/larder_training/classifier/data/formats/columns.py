"""Finds the columns of image, label and split in the header of a list."""

import unicodedata
from collections import Counter
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
        "class_label image_label breed diagnosis dx tag tags y ground_truth",
        "split": "split set subset partition data_set dataset usage fold part",
    }.items()
}
# Names of ids, which are images only where files have them as their names; an earlier group wins over a later one.
_IDS: Final = (frozenset({"image_id", "imageid", "img_id"}), frozenset({"id", "id_code", "isic_id"}))
_SHOWN: Final = 12  # names of a header in a message


@dataclass(frozen=True, slots=True)
class Columns:
    """The header's names of the columns that a list needs.

    Attributes:
        path: The images.
        label: The labels.
        split: The parts of the split; None without one.
        split_is_certain: Whether the column was stated or has Larder's own name, so that odd values are errors.
        doubt: What to say if none of the images exists, since the column of the images is a guess; empty: it is none.
    """

    path: str
    label: str
    split: str | None
    split_is_certain: bool
    doubt: str = ""

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
    check_distinct(name, header)
    found = {role: _choose(name, header, role, stated) for role in ROLES}
    missing = [role for role in ("path", "label") if found[role] is None]
    if missing:
        raise InvalidRequest(_unknown(name, header, missing))
    split = found["split"]
    certain = split_is_certain(split, stated)
    path = str(found["path"])
    return Columns(path, str(found["label"]), split, certain, image_doubt(name, header, path, stated))


def check_distinct(name: str, header: Sequence[str]) -> None:
    """Raises InvalidRequest if two columns have one name."""
    doubled = sorted(column for column, count in Counter(header).items() if column and count > 1)
    if doubled:
        raise InvalidRequest(f"{name} has two columns named {doubled[0]!r}: rename or remove one.")


def _unknown(name: str, header: Sequence[str], missing: Sequence[str]) -> str:
    option = ",".join(f"{role}=NAME" for role in missing)
    return (
        f"{name} has the columns {_listed(header)}, and none is known as {' or '.join(missing)}: name them path and "
        f"label in the header, or state them, --columns {option}."
    )


def has_columns(header: Sequence[str], stated: Mapping[str, str]) -> bool:
    """Whether a header has a column for the image and one for the label."""
    names = {_plain(column) for column in header}
    known = {**_NAMES, "path": _NAMES["path"].union(*_IDS)}
    return all(role in stated or names & known[role] for role in ("path", "label"))


def image_column(name: str, header: Sequence[str], stated: Mapping[str, str]) -> str | None:
    """The column of the images alone; None if there is none. Raises InvalidRequest if several fit."""
    return _choose(name, header, "path", stated)


def image_doubt(name: str, header: Sequence[str], path: str, stated: Mapping[str, str]) -> str:
    """What to say if no image has a name from the column ``path``; empty if the column is certain."""
    if "path" in stated or _plain(path) in _NAMES["path"]:
        return ""
    return f"{_unknown(name, header, ['path'])} The column {path!r} names no image beside the list."


def split_column(name: str, header: Sequence[str], stated: Mapping[str, str]) -> str | None:
    """The column of the split alone; None if there is none. Raises InvalidRequest if several fit."""
    return _choose(name, header, "split", stated)


def split_is_certain(split: str | None, stated: Mapping[str, str]) -> bool:
    """Whether the column of the split was stated or has Larder's own name, so that odd values are errors."""
    return split is not None and ("split" in stated or _plain(split) == "split")


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
    # Larder's own name wins over others, and names of images over ids.
    groups = (frozenset({role}), _NAMES[role], *(_IDS if role == "path" else ()))
    named = ([column for column in header if _plain(column) in group and column not in taken] for group in groups)
    fitting = next((columns for columns in named if columns), [])
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

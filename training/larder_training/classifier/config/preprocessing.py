"""Preprocessing of a backbone's input, from options or a JSON file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from larder.errors import InvalidRequest
from larder.release.json_fields import FieldReader
from larder.release.serving import RESAMPLINGS, Resampling


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Preprocessing of a backbone's input: ``(x - mean) / std`` for 8-bit pixel values x. None: not specified.

    Attributes:
        mean: One number, or one per channel, in units of 0..255.
        std: One number, or one per channel, in units of 0..255.
        resize_short: Short side, in pixels, that an image is scaled to before the central square is cropped.
        input_size: Side of that square, in pixels.
        output: Name of the tensor to use as features, or several names with commas; these are concatenated.
        resampling: Filter for scaling.

    Raises:
        InvalidRequest: A value is out of range; the message says what to give.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    resize_short: int | None = None
    input_size: int | None = None
    output: str | None = None
    resampling: Resampling | None = None

    def __post_init__(self) -> None:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) not in {1, 3}:
                raise InvalidRequest(f"{name} has {len(values)} numbers: give one, or three for red, green and blue.")
        if self.std is not None and min(self.std) <= 0:
            raise InvalidRequest(f"std is {min(self.std)}: give positive numbers.")
        if self.mean and self.std and 0 < max(self.mean) <= 1 and max(self.std) <= 1:
            raise InvalidRequest(
                f"mean {max(self.mean)} and std {max(self.std)} look like values for pixels of 0..1, but pixels "
                "are 0..255 here: multiply both by 255."
            )
        for name, size in (("resize_short", self.resize_short), ("input_size", self.input_size)):
            if size is not None and not 8 <= size <= 4096:
                raise InvalidRequest(f"{name} is {size}: give a number of pixels from 8 to 4096.")
        if self.resampling is not None and self.resampling not in RESAMPLINGS:
            raise InvalidRequest(f"resampling is {self.resampling!r}: give one of {', '.join(RESAMPLINGS)}.")

    def over(self, other: "Preprocessing") -> "Preprocessing":
        """These values, completed by those of ``other``."""
        return Preprocessing(
            mean=self.mean or other.mean,
            std=self.std or other.std,
            resize_short=self.resize_short or other.resize_short,
            input_size=self.input_size or other.input_size,
            output=self.output or other.output,
            resampling=self.resampling or other.resampling,
        )


def read_spec(path: Path) -> Preprocessing:
    """Reads preprocessing from JSON: ``mean``, ``std``, ``resize_short``, ``input_size``, ``output``, ``resampling``.

    Raises:
        InvalidRequest: The file is missing or invalid; the message lists every problem.
    """
    try:
        fields = FieldReader(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise InvalidRequest(
            f"The backbone's specification {path.name} cannot be read: {error}. Correct it."
        ) from error
    values = {
        "mean": fields.numbers("mean") if fields.has("mean") else None,
        "std": fields.numbers("std") if fields.has("std") else None,
        "resize_short": fields.integer("resize_short") if fields.has("resize_short") else None,
        "input_size": fields.integer("input_size") if fields.has("input_size") else None,
        "output": fields.text("output") if fields.has("output") else None,
        "resampling": fields.choice("resampling", RESAMPLINGS) if fields.has("resampling") else None,
    }
    fields.finish()
    if fields.problems:
        raise InvalidRequest(
            f"The backbone's specification {path.name} is invalid: {'; '.join(fields.problems)}. Correct it."
        )
    return Preprocessing(**cast("dict[str, Any]", values))

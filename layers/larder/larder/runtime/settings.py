"""A function's environment, read once into one frozen object, with every problem reported at once.

========================  ==============================================================================
``LARDER_STORE``          where models live: ``s3://bucket[/prefix]``, ``file:///folder`` or ``memory://``
``LARDER_CACHE_DIR``      a folder for downloaded releases (Lambda: under ``/tmp``)
``LARDER_CACHE_BYTES``    how many bytes of opened releases to keep before the least recently used goes
``LARDER_REFRESH_SECONDS``  how long a function may answer without asking whether a newer release is live
``LARDER_MAX_PIXELS``     the largest image that is decoded, in pixels
``LARDER_PRELOAD``        names of models, separated by commas, that are opened while the function starts; where
                          it is empty or missing, the store's only model, if there is just one
========================  ==============================================================================

The rollout reads ``LARDER_STORE`` and

=============================  =========================================================================
``LARDER_CLASSIFY_FUNCTION``   the name or ARN of the function that serves classifiers
``LARDER_RECOMMEND_FUNCTION``  that of the one that serves recommenders
=============================  =========================================================================

No other has a default: a variable that is missing is a mistake in the template, and says so at the first request.
Lambda itself sets ``AWS_LAMBDA_FUNCTION_MEMORY_SIZE`` (MB), which decides how many vCPUs a function has: one for each
1,769 MB, whatever number of processors the machine shows. Where it is missing, all processors count.
"""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from larder.errors import SettingsError

T = TypeVar("T")
_STORE: Final = "s3://bucket, s3://bucket/prefix, file:///folder or memory://"
_FUNCTION: Final = "a Lambda function's name or ARN"
_MB_A_VCPU: Final = 1769  # AWS Lambda's developer guide, "Configure Lambda function memory"


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment of a serving function; the module's table says what each field means."""

    store: str
    cache_dir: Path
    cache_bytes: int
    refresh_seconds: float
    max_pixels: int
    preload: tuple[str, ...]
    vcpus: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Reads ``LARDER_*``; raises SettingsError naming every variable that is missing or malformed."""
        given = _Environment(environment)
        settings = cls(
            store=given.read("LARDER_STORE", _url, _STORE, ""),
            cache_dir=given.read("LARDER_CACHE_DIR", Path, "a folder that may be written to", Path()),
            cache_bytes=given.read("LARDER_CACHE_BYTES", _positive, "a number of bytes, 1 or more", 1),
            refresh_seconds=given.read("LARDER_REFRESH_SECONDS", _seconds, "a number of seconds, 0 or more", 0.0),
            max_pixels=given.read("LARDER_MAX_PIXELS", _positive, "a number of pixels, 1 or more", 1),
            preload=tuple(name.strip() for name in environment.get("LARDER_PRELOAD", "").split(",") if name.strip()),
            vcpus=_vcpus(environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")),
        )
        given.check()
        return settings


@dataclass(frozen=True, slots=True)
class RolloutSettings:
    """The environment of the rollout; the module's table says what each field means."""

    store: str
    classify_function: str
    recommend_function: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "RolloutSettings":
        """Reads ``LARDER_*``; raises SettingsError naming every variable that is missing or malformed."""
        given = _Environment(environment)
        settings = cls(
            store=given.read("LARDER_STORE", _url, _STORE, ""),
            classify_function=given.read("LARDER_CLASSIFY_FUNCTION", str, _FUNCTION, ""),
            recommend_function=given.read("LARDER_RECOMMEND_FUNCTION", str, _FUNCTION, ""),
        )
        given.check()
        return settings


class _Environment:
    """Variables under check; gathers everything that is wrong with them."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._problems: list[str] = []

    def read(self, name: str, cast: Callable[[str], T], expected: str, stand_in: T) -> T:
        """The variable, or ``stand_in`` where it is missing or ``cast`` raises ValueError."""
        value = self._variables.get(name)
        if not value:
            self._problems.append(f"{name} is missing: set it to {expected}")
            return stand_in
        try:
            return cast(value)
        except ValueError:
            self._problems.append(f"{name} is {value!r}: set it to {expected}")
            return stand_in

    def check(self) -> None:
        """Raises SettingsError where anything was wrong."""
        if self._problems:
            raise SettingsError("This function's environment is not complete.", self._problems)


def _vcpus(memory: str | None) -> int:
    if memory is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, round(int(memory) / _MB_A_VCPU))


def _url(text: str) -> str:
    if not text.startswith(("s3://", "file:///", "memory://")):
        raise ValueError(text)
    return text


def _positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def _seconds(text: str) -> float:
    if not 0 <= float(text) < math.inf:
        raise ValueError(text)
    return float(text)

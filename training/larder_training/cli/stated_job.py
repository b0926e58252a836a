"""The channels and the hyperparameters that the command line of a training states."""

import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from larder.errors import InvalidRequest
from larder.release.manifest import Kind
from larder_training.classifier.config.options import parse_roles
from larder_training.cli import train_classifier, train_recommender
from larder_training.io.column_names import parse_columns
from larder_training.io.s3 import is_remote
from larder_training.recommender.config.options import parse_names, parse_numbers, parse_scales, parse_types

_COMMANDS: Final[Mapping[Kind, click.Command]] = {
    "classifier": train_classifier.command,
    "recommender": train_recommender.command,
}
_CHANNELS: Final[Mapping[str, str]] = {name: name for name in ("interactions", "items", "users")} | {"data": "train"}
# What the job sets by itself, or what only concerns the terminal.
_LEFT_OUT: Final = frozenset(
    {"model", "out", "cache", "no_cache", "cache_bytes", "quiet", "as_json", "parent", "compare_with"}
)
_PARSERS: Final[Mapping[tuple[Kind, str], Callable[[Sequence[str]], object]]] = {
    ("classifier", "columns"): parse_roles,
    ("classifier", "side"): train_classifier.parse_side_columns,
    ("recommender", "columns"): parse_columns,
    ("recommender", "types"): lambda texts: parse_types("--types", texts),
    ("recommender", "event_weights"): lambda texts: parse_numbers("--event-weights", texts),
    ("recommender", "event_thresholds"): lambda texts: parse_numbers("--event-thresholds", texts),
    ("recommender", "event_values"): lambda texts: parse_scales("--event-values", texts),
    ("recommender", "returns"): parse_names,
    ("recommender", "dwell"): parse_names,
}
_FILES: Final = ("schema", "backbone_spec")  # options that are files, without a channel


@dataclass(frozen=True, slots=True)
class StatedJob:
    """What a command line states.

    Attributes:
        channels: The files and folders of each channel.
        hyperparameters: The hyperparameters that were given, in JSON's types.
    """

    channels: Mapping[str, tuple[Path, ...]]
    hyperparameters: Mapping[str, Any]


def stated_job(kind: Kind, command_line: str) -> StatedJob:
    """Reads ``larder train classifier|recommender ...`` or ``larder retrain ...``, as a release states it.

    Another text states nothing.

    Raises:
        InvalidRequest: It names data in S3, or a file that a job has no channel for.
    """
    words = [os.path.expanduser(word) for word in shlex.split(command_line)]  # noqa: PTH111  any word, not only paths
    # The program is "larder", or "python -m larder_local".
    start = next((index for index, word in enumerate(words) if word in ("train", "retrain")), len(words))
    command, kind_or_model, rest = words[start : start + 1], words[start + 1 : start + 2], words[start + 2 :]
    if command == ["train"] and kind_or_model == [kind]:
        return _of_training(kind, rest)
    channels: dict[str, tuple[Path, ...]] = {}
    hyperparameters: dict[str, Any] = {}
    for flag, text in zip(rest[::2], rest[1::2], strict=False) if command == ["retrain"] else ():
        name, _, value = text.partition("=")
        if flag == "--channel":
            channels[name] = (*channels.get(name, ()), Path(value))
        elif flag == "--set":
            hyperparameters[name] = value
    return StatedJob(channels, hyperparameters)


def retrain_command(model: str, job: StatedJob) -> str:
    """The command that repeats a job; ``stated_job`` reads it."""
    words = ["larder", "retrain", model]
    for name, paths in job.channels.items():
        words += [word for path in paths for word in ("--channel", f"{name}={path}")]
    for name, value in job.hyperparameters.items():
        words += ["--set", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join(words)


def _of_training(kind: Kind, words: Sequence[str]) -> StatedJob:
    context = _COMMANDS[kind].make_context(kind, list(words))
    given = {
        name: value
        for name, value in context.params.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and name not in _LEFT_OUT
    }
    if unusable := [name for name in _FILES if given.get(name)]:
        flag = f"--{unusable[0].replace('_', '-')}"
        raise InvalidRequest(f"The release was trained with {flag}, which a job cannot have: use larder train.")
    channels = {channel: _paths(channel, given.pop(name)) for name, channel in _CHANNELS.items() if name in given}
    if given.pop("no_side", False):
        given["side"] = ()
    return StatedJob(channels, {name: _PARSERS.get((kind, name), _plain)(value) for name, value in given.items()})


def _paths(channel: str, value: object) -> tuple[Path, ...]:
    places = value if isinstance(value, tuple) else (value,)
    if any(is_remote(place) for place in places):
        raise InvalidRequest(f"The data of {channel!r} are in S3: copy them to a folder and give --channel {channel}=.")
    return tuple(Path(place).resolve() for place in places)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value

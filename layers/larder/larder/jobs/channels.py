"""The data of a training job: which names a kind of model reads, and which places a channel may name."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from larder.errors import InvalidRequest
from larder.release.keys import check_model, training_data_prefix
from larder.release.manifest import Kind

MAIN: Final[Mapping[Kind, str]] = {"classifier": "train", "recommender": "interactions"}
"""The channel that a kind of model cannot do without."""
OTHERS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "classifier": ("validation", "test", "backbone", "model"),
    "recommender": ("items", "users", "model"),
}
"""The channels that a kind of model may have."""
ANY_MAIN: Final = "training"
"""The name that SageMaker's SDK gives to a single channel: it stands for the main one."""

_S3: Final = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<key>[^\x00-\x1f\x7f]{0,1024})")
_KEY: Final = re.compile(r"[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'() =-]+)*/?")


@dataclass(frozen=True, slots=True)
class S3Place:
    """A prefix or an object of any bucket.

    Attributes:
        bucket: The bucket.
        key: The prefix, or the key of one object; empty for the whole bucket.
    """

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class StorePlace:
    """A prefix of the store in which the model is, or one object of it.

    Attributes:
        key: The prefix, with its final slash, or the key of one object.
    """

    key: str


def place(model: str, uri: str) -> S3Place | StorePlace:
    """What the URI of a channel names.

    Raises:
        InvalidRequest: It is neither ``s3://bucket/prefix/`` nor a prefix of the store with data of this model,
            ``training-data/<model>/...`` or ``logs/<model>/...``: no other model's data, no keys, no path of a machine.
    """
    if match := _S3.fullmatch(uri):
        return S3Place(match["bucket"], match["key"])
    own = (training_data_prefix(model), f"logs/{check_model(model)}/")
    is_key = _KEY.fullmatch(uri) and not any(part in (".", "..") for part in uri.split("/"))
    if is_key and uri.startswith(own):
        return StorePlace(uri)
    raise InvalidRequest(
        f"{uri[:200]!r} is not a place of training data: give s3://bucket/prefix/, {' or '.join(own)}."
    )


def check_channels(model: str, kind: Kind, channels: Mapping[str, str]) -> None:
    """Raises InvalidRequest with every problem of the channels of a job; see ``place``."""
    if problems := list(_problems(model, kind, channels)):
        raise InvalidRequest(" ".join(problems))


def _problems(model: str, kind: Kind, channels: Mapping[str, str]) -> Iterator[str]:
    main, known = MAIN[kind], (MAIN[kind], *OTHERS[kind])
    for name, uri in channels.items():
        if name not in (*known, ANY_MAIN):
            yield f"Channel {name[:60]!r} is unknown: a {kind} reads {', '.join(known)}."
            continue
        try:
            place(model, uri)
        except InvalidRequest as error:
            yield f"Channel {name!r}: {error}"
    given = sum(name in channels for name in (main, ANY_MAIN))
    if given != 1:
        number = "none" if not given else "both"
        yield f"A {kind} reads the channel {main!r}, or {ANY_MAIN!r}: there is {number} of them."

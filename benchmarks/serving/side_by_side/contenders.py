"""Who takes part: functions under Lambda's runtime client in a container, and services that listen for HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Task = Literal["classify", "recommend"]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A Lambda function: its code, what lies at ``/opt``, and the events that it is asked with.

    ``memory`` is the container's limit in MiB, ``expected`` is in the answer to the first event, ``size`` is of
    code and layers unpacked in bytes. ``warm`` is False where
    only the cold start matters; ``tells``: an answer's body is the milliseconds of its work alone.
    """

    name: str
    task: Task
    code: Path
    opt: Path | None
    memory: int
    environment: Mapping[str, str]
    events: Sequence[bytes]
    expected: bytes
    size: int
    warm: bool = True
    tells: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, as the load generator sends it."""

    method: str
    path: str
    content_type: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Service:
    """A server on ``port`` of 127.0.0.1: how it is started, what it needs beside it, and what it is asked.

    ``expected`` is in the answer to the first request. ``beside`` are further commands on the same core, whose work and
    memory count as the service's; ``fill`` is run once they are up. ``size`` is of its packages in bytes.
    """

    name: str
    task: Task
    port: int
    command: Sequence[str | Path]
    environment: Mapping[str, str]
    requests: Sequence[Request]
    expected: bytes
    size: int
    beside: Sequence[Sequence[str | Path]] = ()
    fill: Sequence[str | Path] = ()


@dataclass(slots=True)
class Result:
    """What was measured of one contender: a value for each round.

    Seconds to the first answer; seconds at the median and at the 99th percentile with one request at a time; answers a
    second and processor seconds an answer at full load; bytes of memory after that; and the median seconds of the
    work alone, where a function tells them.
    """

    name: str
    task: Task
    size: int
    cold: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    inner: list[float] = field(default_factory=list)

"""The contenders: functions under Lambda's runtime client in a container, and HTTP services."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Task = Literal["classify", "recommend"]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A Lambda function.

    Attributes:
        name: The contender's name.
        task: The task.
        code: The folder of its code.
        opt: The folder of its layers, at ``/opt``, or None.
        memory: The memory limit of the container in MiB.
        environment: Environment variables.
        events: The events that it gets in turn.
        expected: A part of the response to the first event.
        size: The unpacked size of code and layers in bytes.
        warm: False if only its cold start is measured.
        returns_time: Whether the body of a response is the time of its work in milliseconds.
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
    returns_time: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request of the load generator.

    Attributes:
        method: The method.
        path: The path, with the query string.
        content_type: The content type of the body, or empty.
        body: The body.
    """

    method: str
    path: str
    content_type: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Service:
    """An HTTP server on 127.0.0.1.

    Attributes:
        name: The contender's name.
        task: The task.
        port: The port.
        command: The command that starts it.
        environment: Environment variables.
        requests: The requests that it gets in turn.
        expected: A part of the response to the first request.
        size: The size of its packages in bytes.
        companions: Commands of further servers on the same core; their work and memory count as the service's.
        fill: A command that fills the companions when they are running.
    """

    name: str
    task: Task
    port: int
    command: Sequence[str | Path]
    environment: Mapping[str, str]
    requests: Sequence[Request]
    expected: bytes
    size: int
    companions: Sequence[Sequence[str | Path]] = ()
    fill: Sequence[str | Path] = ()


@dataclass(slots=True)
class Result:
    """The measurements of one contender, one value per round.

    Attributes:
        name: The contender's name.
        task: The task.
        size: The unpacked size in bytes.
        cold: Seconds to the first response.
        p50: The median in seconds, with one request at a time.
        p99: The 99th percentile in seconds, with one request at a time.
        rate: Responses per second at full load.
        cpu: Processor seconds per response at full load.
        memory: Memory after that, in bytes.
        inner: The median of the work alone in seconds, if the function returns it.
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

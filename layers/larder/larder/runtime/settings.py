"""The settings of a function, read from its environment, with all problems reported at once.

=============================  =========================================================================
``LARDER_STORE``               the store of the models: ``s3://bucket[/prefix]``, ``file:///folder`` or ``memory://``
``LARDER_CACHE_DIR``           a folder for downloaded releases (Lambda: under ``/tmp``)
``LARDER_CACHE_BYTES``         the limit for loaded releases, in bytes; the least recently used are evicted
``LARDER_REFRESH_SECONDS``     how long a function serves a release before it reads the pointer again
``LARDER_MAX_PIXELS``          the limit for the size of an image, in pixels
``LARDER_PRELOAD``             names of models, separated by commas, that load while the function starts; if empty or
                               missing, the store's only model, if it has only one
``LARDER_DEFAULT_CLASSIFIER``  the classifier that answers protocols that name none; if empty or missing, the only one
``LARDER_AUTHORIZATION``       who may call: ``KEYS`` for who presents a key of the store; ``AWS_IAM`` and ``NONE`` for
                               everyone, because the front door checks callers, or nothing does
``LARDER_EVENTS_STORE``        where users' recent events are: ``dynamodb://table`` or ``sqlite:///file``; if empty or
                               missing, the deployment takes no events
``LARDER_EVENTS_QUEUE``        the way to the log of events: an SQS queue's URL or ``sqlite:///file``
=============================  =========================================================================

The rollout reads ``LARDER_STORE`` and:

=============================  =========================================================================
``LARDER_CLASSIFY_FUNCTION``   the name or ARN of the function that serves classifiers
``LARDER_RECOMMEND_FUNCTION``  the name or ARN of the function that serves recommenders
=============================  =========================================================================

The training function reads ``LARDER_STORE`` and:

=============================  =========================================================================
``LARDER_TRAINING_IMAGE``      the URI of the training image in ECR; if empty or missing, trainings are off
``LARDER_TRAINING_ROLE``       the ARN of the role that a training job has
``LARDER_TRAINING_INSTANCE``   the instance type of a training job, such as ``ml.m5.xlarge``
``LARDER_TRAINING_MAX_HOURS``  after how many hours a training job is stopped
``LARDER_SCHEDULE_GROUP``      the group of the models' schedules in EventBridge Scheduler
``LARDER_SCHEDULE_ROLE``       the ARN of the role with which EventBridge Scheduler calls the function
``LARDER_DRIFT_ALARMS``        how the names of alarms about drift begin; the name of the model follows
=============================  =========================================================================

The consumer of the queue to the log of events reads ``LARDER_STORE`` only. The heartbeat reads ``LARDER_STORE``,
``LARDER_AUTHORIZATION`` and:

=============================  =========================================================================
``LARDER_API_URL``             the public URL of the API
``LARDER_HEARTBEAT_MINUTES``   the minutes from one heartbeat to the next
``LARDER_HEARTBEAT_KEY``       the id of its API key; if empty or missing where keys are checked, it asks no model
=============================  =========================================================================

The others have no default: a missing variable is an error in the template, and the first request reports it. Lambda
sets ``AWS_LAMBDA_FUNCTION_MEMORY_SIZE`` (MB), which determines the number of vCPUs: one per 1,769 MB, however many
processors are visible. If it is missing, all processors count.
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
_KEYS: Final = "KEYS"
_AUTHORIZATION: Final = "KEYS, AWS_IAM or NONE"
_FUNCTION: Final = "a Lambda function's name or ARN"
_ROLE: Final = "the ARN of a role"
_MB_A_VCPU: Final = 1769  # AWS Lambda's developer guide, "Configure Lambda function memory"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a serving function; the module's table documents the variables.

    Attributes:
        store: The URL of the store.
        cache_dir: The folder for downloaded releases.
        cache_bytes: The limit for loaded releases, in bytes.
        refresh_seconds: How long a pointer counts as fresh.
        max_pixels: The limit for the size of an image, in pixels.
        preload: The models to load at the start.
        default_classifier: The classifier that answers protocols that name none; empty for the only one.
        authorization: ``KEYS``, ``AWS_IAM`` or ``NONE``.
        events_store: The URL of the live store of events; empty if the deployment takes none.
        events_queue: The URL of the queue to the log of events; empty if the deployment takes none.
        vcpus: The number of vCPUs.
    """

    store: str
    cache_dir: Path
    cache_bytes: int
    refresh_seconds: float
    max_pixels: int
    preload: tuple[str, ...]
    default_classifier: str
    authorization: str
    events_store: str
    events_queue: str
    vcpus: int

    @property
    def checks_keys(self) -> bool:
        """Whether callers need a key of the store."""
        return self.authorization == _KEYS

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read ``LARDER_*``; raises SettingsError with every variable that is missing or invalid."""
        variables = _Environment(environment)
        settings = cls(
            store=variables.read("LARDER_STORE", _url, _STORE, ""),
            cache_dir=variables.read("LARDER_CACHE_DIR", Path, "a writable folder", Path()),
            cache_bytes=variables.read("LARDER_CACHE_BYTES", _positive, "a number of bytes, 1 or more", 1),
            refresh_seconds=variables.read("LARDER_REFRESH_SECONDS", _seconds, "a number of seconds, 0 or more", 0.0),
            max_pixels=variables.read("LARDER_MAX_PIXELS", _positive, "a number of pixels, 1 or more", 1),
            preload=tuple(name.strip() for name in environment.get("LARDER_PRELOAD", "").split(",") if name.strip()),
            default_classifier=environment.get("LARDER_DEFAULT_CLASSIFIER", "").strip(),
            authorization=variables.read("LARDER_AUTHORIZATION", _authorization, _AUTHORIZATION, _KEYS),
            events_store=environment.get("LARDER_EVENTS_STORE", "").strip(),
            events_queue=environment.get("LARDER_EVENTS_QUEUE", "").strip(),
            vcpus=_vcpus(environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")),
        )
        variables.check()
        return settings


@dataclass(frozen=True, slots=True)
class RolloutSettings:
    """The settings of the rollout; the module's table documents the variables.

    Attributes:
        store: The URL of the store.
        classify_function: The function that serves classifiers.
        recommend_function: The function that serves recommenders.
    """

    store: str
    classify_function: str
    recommend_function: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "RolloutSettings":
        """Read ``LARDER_*``; raises SettingsError with every variable that is missing or invalid."""
        variables = _Environment(environment)
        settings = cls(
            store=variables.read("LARDER_STORE", _url, _STORE, ""),
            classify_function=variables.read("LARDER_CLASSIFY_FUNCTION", str, _FUNCTION, ""),
            recommend_function=variables.read("LARDER_RECOMMEND_FUNCTION", str, _FUNCTION, ""),
        )
        variables.check()
        return settings


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """The settings of the training function; the module's table documents the variables.

    Attributes:
        store: The URL of the store.
        image: The training image; empty if trainings are off.
        role: The role of a training job.
        instance: The instance type of a training job.
        max_hours: After how many hours a training job is stopped.
        schedule_group: The group of the models' schedules.
        schedule_role: The role with which EventBridge Scheduler calls the function.
        drift_alarms: How the names of alarms about drift begin.
    """

    store: str
    image: str
    role: str
    instance: str
    max_hours: float
    schedule_group: str
    schedule_role: str
    drift_alarms: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "TrainingSettings":
        """Read ``LARDER_*``; raises SettingsError with every variable that is missing or invalid."""
        variables = _Environment(environment)
        settings = cls(
            store=variables.read("LARDER_STORE", _url, _STORE, ""),
            image=environment.get("LARDER_TRAINING_IMAGE", "").strip(),
            role=variables.read("LARDER_TRAINING_ROLE", str, _ROLE, ""),
            instance=variables.read("LARDER_TRAINING_INSTANCE", str, "an instance type such as ml.m5.xlarge", ""),
            max_hours=variables.read("LARDER_TRAINING_MAX_HOURS", _hours, "a number of hours above 0", 1.0),
            schedule_group=variables.read("LARDER_SCHEDULE_GROUP", str, "the name of a group of schedules", ""),
            schedule_role=variables.read("LARDER_SCHEDULE_ROLE", str, _ROLE, ""),
            drift_alarms=variables.read("LARDER_DRIFT_ALARMS", str, "the beginning of names of alarms", ""),
        )
        variables.check()
        return settings


@dataclass(frozen=True, slots=True)
class EventLogSettings:
    """The settings of the log of events; the module's table documents the variables.

    Attributes:
        store: The URL of the store.
    """

    store: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "EventLogSettings":
        """Read ``LARDER_STORE``; raises SettingsError if it is missing or invalid."""
        variables = _Environment(environment)
        settings = cls(store=variables.read("LARDER_STORE", _url, _STORE, ""))
        variables.check()
        return settings


@dataclass(frozen=True, slots=True)
class HeartbeatSettings:
    """The settings of the heartbeat; the module's table documents the variables.

    Attributes:
        store: The URL of the store.
        api_url: The public URL of the API.
        authorization: ``KEYS``, ``AWS_IAM`` or ``NONE``.
        heartbeat_key: The id of its API key; empty if it has none.
        heartbeat_minutes: The minutes from one heartbeat to the next.
        region: The region of the API, which Lambda sets.
    """

    store: str
    api_url: str
    authorization: str
    heartbeat_key: str
    heartbeat_minutes: int
    region: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "HeartbeatSettings":
        """Read ``LARDER_*``; raises SettingsError with every variable that is missing or invalid."""
        variables = _Environment(environment)
        settings = cls(
            store=variables.read("LARDER_STORE", _url, _STORE, ""),
            api_url=variables.read("LARDER_API_URL", _http_url, "the URL of the API", ""),
            authorization=variables.read("LARDER_AUTHORIZATION", _authorization, _AUTHORIZATION, _KEYS),
            heartbeat_key=environment.get("LARDER_HEARTBEAT_KEY", "").strip(),
            heartbeat_minutes=variables.read("LARDER_HEARTBEAT_MINUTES", _positive, "a number of minutes", 1),
            region=environment.get("AWS_REGION", ""),
        )
        variables.check()
        return settings


class _Environment:
    """Environment variables, and the problems with them."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._problems: list[str] = []

    def read(self, name: str, cast: Callable[[str], T], expected: str, default: T) -> T:
        """The variable, or ``default`` after noting that it is missing or that ``cast`` raises ValueError."""
        value = self._variables.get(name)
        if not value:
            self._problems.append(f"{name} is missing: set it to {expected}")
            return default
        try:
            return cast(value)
        except ValueError:
            self._problems.append(f"{name} is {value!r}: set it to {expected}")
            return default

    def check(self) -> None:
        """Raise SettingsError if there was a problem."""
        if self._problems:
            raise SettingsError("The environment of this function is invalid.", self._problems)


def _vcpus(memory: str | None) -> int:
    if memory is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, round(int(memory) / _MB_A_VCPU))


def _authorization(text: str) -> str:
    if text not in (_KEYS, "AWS_IAM", "NONE"):
        raise ValueError(text)
    return text


def _url(text: str) -> str:
    if not text.startswith(("s3://", "file:///", "memory://")):
        raise ValueError(text)
    return text


def _http_url(text: str) -> str:
    if not text.startswith(("https://", "http://")):
        raise ValueError(text)
    return text


def _positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def _hours(text: str) -> float:
    if not 0 < float(text) < math.inf:
        raise ValueError(text)
    return float(text)


def _seconds(text: str) -> float:
    if not 0 <= float(text) < math.inf:
        raise ValueError(text)
    return float(text)

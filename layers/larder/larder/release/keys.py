"""Names of models, releases and files, and the keys of their objects.

::

    models/<model>/live.json
    models/<model>/filters.json
    models/<model>/events.json
    models/<model>/policy.json
    models/<model>/heartbeats.json
    models/<model>/history/<revision>.json
    models/<model>/releases/<release>/manifest.json
    models/<model>/releases/<release>/<file>
    models/<model>/releases/<release>/rejected.json
    models/<model>/releases/<release>/rollout.json
    models/<model>/releases/<release>/canary.json
    models/<model>/training-jobs/<job>/request.json
    models/<model>/training-jobs/<job>/<document>
    models/<model>/training-jobs/current.json
    models/<model>/schedule.json
    training-data/<model>/<name>/<file>

Every name is checked before it becomes part of a key: it cannot hold a slash, a dot-dot or a character that is special
in a store, a URL or a shell.
"""

import re
from typing import Final

from larder.errors import InvalidRequest

MANIFEST: Final = "manifest.json"
REJECTED: Final = "rejected.json"
ROLLOUT: Final = "rollout.json"
CANARY: Final = "canary.json"
JOB_REQUEST: Final = "request.json"
JOB_STATUS: Final = "status.json"
JOB_LOG: Final = "log.txt"
JOB_STOP: Final = "stop.json"
JOB_TRIALS: Final = "trials.jsonl"
_MODELS: Final = "models"
# At most 63 characters, as a DNS label: a name fits a URL, a metric's dimension and a SageMaker job's name.
_MODEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_MODEL_RULE: Final = "1 to 63 of a-z, 0-9 and '-', without '-' at either end"
_JOB = re.compile(r"\d{8}t\d{6}z-[0-9a-f]{8}")
_FILE = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?")


def _checked(kind: str, value: str, pattern: re.Pattern[str], allowed: str) -> str:
    if not pattern.fullmatch(value):
        raise InvalidRequest(f"{value[:80]!r} is not a {kind} name: use {allowed}.")
    return value


def is_name(name: str) -> bool:
    """Whether ``name`` follows the rule of models' and releases' names; see ``check_model``."""
    return _MODEL.fullmatch(name) is not None


def check_model(name: str) -> str:
    """Return ``name``; raises InvalidRequest unless it is 1-63 of ``a-z 0-9 -``, without a dash at either end."""
    return _checked("model", name, _MODEL, _MODEL_RULE)


def check_release(name: str) -> str:
    """Return ``name``; raises InvalidRequest unless it follows the rule of model names."""
    return _checked("release", name, _MODEL, "the name that GET /v1/models/{model}/releases lists")


def check_file(name: str) -> str:
    """Return ``name``; raises InvalidRequest unless it is a plain lower-case file name, without a folder."""
    if ".." in name:
        raise InvalidRequest(f"{name[:80]!r} is not a file name: use one that the manifest lists.")
    return _checked("file", name, _FILE, "one that the manifest lists")


def is_job(name: str) -> bool:
    """Whether ``name`` has the form of a training job's name; see ``check_job``."""
    return _JOB.fullmatch(name) is not None


def check_job(name: str) -> str:
    """Return ``name``; raises InvalidRequest unless it has the form ``yyyymmddthhmmssz-<8 hex digits>``."""
    return _checked("training job", name, _JOB, "the form yyyymmddthhmmssz-<8 hex digits>")


def pointer_key(model: str) -> str:
    """The key of the pointer of ``model``."""
    return f"{_MODELS}/{check_model(model)}/live.json"


def filters_key(model: str) -> str:
    """The key of the stored filters of ``model``."""
    return f"{_MODELS}/{check_model(model)}/filters.json"


def events_key(model: str) -> str:
    """The key of the settings of live events of ``model``."""
    return f"{_MODELS}/{check_model(model)}/events.json"


def policy_key(model: str) -> str:
    """The key of what ``model`` requires of a new release."""
    return f"{_MODELS}/{check_model(model)}/policy.json"


def heartbeats_key(model: str) -> str:
    """The key of the last heartbeats of ``model``."""
    return f"{_MODELS}/{check_model(model)}/heartbeats.json"


def history_prefix(model: str) -> str:
    """The prefix of the history of the pointer of ``model``, with its final slash."""
    return f"{_MODELS}/{check_model(model)}/history/"


def history_key(model: str, revision: int) -> str:
    """The key of one revision of the pointer of ``model``; keys sort by revision."""
    return f"{history_prefix(model)}{revision:08d}.json"


def log_prefix(model: str, kind: str) -> str:
    """The prefix of the log of ``model`` for one kind of rows, such as ``logs/shop/events/``, with its final slash."""
    return f"logs/{check_model(model)}/{kind}/"


def statistics_key(model: str) -> str:
    """The key of the statistics of the events of ``model``."""
    return f"logs/{check_model(model)}/statistics.json"


def attribution_prefix(model: str) -> str:
    """The prefix of the counts of what the recommendations of ``model`` earned, with its final slash."""
    return f"logs/{check_model(model)}/attribution/"


def attribution_key(model: str, day: str) -> str:
    """The key of the counts of one UTC day."""
    return f"{attribution_prefix(model)}{day}.json"


def releases_prefix(model: str) -> str:
    """The prefix of all releases of ``model``, with its final slash."""
    return f"{_MODELS}/{check_model(model)}/releases/"


def models_prefix() -> str:
    """The prefix of all models, with its final slash."""
    return f"{_MODELS}/"


def file_key(model: str, release: str, file: str) -> str:
    """The key of one file of a release."""
    return f"{releases_prefix(model)}{check_release(release)}/{check_file(file)}"


def jobs_prefix(model: str) -> str:
    """The prefix of all training jobs of ``model``, with its final slash."""
    return f"{_MODELS}/{check_model(model)}/training-jobs/"


def job_key(model: str, job: str, document: str) -> str:
    """The key of one document of a training job, such as ``JOB_STATUS``."""
    return f"{jobs_prefix(model)}{check_job(job)}/{check_file(document)}"


def current_job_key(model: str) -> str:
    """The key of the document that names the training job of ``model`` that runs now."""
    return f"{jobs_prefix(model)}current.json"


def schedule_key(model: str) -> str:
    """The key of the schedule by which ``model`` is trained again."""
    return f"{_MODELS}/{check_model(model)}/schedule.json"


def training_data_prefix(model: str, name: str = "") -> str:
    """The prefix of the data that callers uploaded to train ``model``: all, or those of one ``name``."""
    prefix = f"training-data/{check_model(model)}/"
    return f"{prefix}{_checked('data set', name, _MODEL, _MODEL_RULE)}/" if name else prefix

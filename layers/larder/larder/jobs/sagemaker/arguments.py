"""The arguments of CreateTrainingJob for a request of a training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from larder.errors import InvalidRequest
from larder.jobs.channels import S3Place, place
from larder.jobs.hyperparameters import as_text
from larder.jobs.job import JobRequest
from larder.jobs.sagemaker.metrics import metric_definitions
from larder.release.keys import jobs_prefix, releases_prefix

NAME_PREFIX: Final = "larder-"
"""How the names of all training jobs of Larder begin, so that a role can be limited to them."""
_MODEL_CHARACTERS: Final = 30  # of a job's 63: the prefix, the model, a dash, and the 25 of Larder's name of the job
_VALUE_CHARACTERS: Final = 2500  # CreateTrainingJob's HyperParameterValue
_VOLUME_GB: Final = 30
_WAIT_FACTOR: Final = 2  # spot: how much longer a job may take with its waits than it may run


@dataclass(frozen=True, slots=True)
class Machine:
    """On what a training job runs.

    Attributes:
        image: The URI of the training image in ECR.
        role: The ARN of the role that the job has.
        instance: The instance type, ``ml.m5.xlarge``.
        max_hours: After how many hours of training SageMaker stops it.
        spot: Whether it runs on spare capacity, which may be interrupted; it then goes on from its checkpoints.
        tags: Tags of the job, besides ``larder:model`` and ``larder:job``.
    """

    image: str
    role: str
    instance: str
    max_hours: float
    spot: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


def sagemaker_name(model: str, job: str) -> str:
    """The name of the training job in SageMaker, at most 63 characters."""
    return f"{NAME_PREFIX}{model[:_MODEL_CHARACTERS].rstrip('-')}-{job}"


def output_prefix(model: str, job: str) -> str:
    """The prefix of the store to which SageMaker writes ``model.tar.gz``, with its final slash."""
    return f"{jobs_prefix(model)}{job}/output/"


def checkpoints_prefix(model: str, job: str) -> str:
    """The prefix of the store for the checkpoints of a job, with its final slash."""
    return f"{jobs_prefix(model)}{job}/checkpoints/"


def training_arguments(request: JobRequest, machine: Machine, store_url: str, live: str | None) -> dict[str, Any]:
    """The arguments of CreateTrainingJob.

    Args:
        request: What was asked for.
        machine: On what it runs.
        store_url: The store of the model, ``s3://bucket[/prefix]``.
        live: The live release, which becomes the channel ``model`` unless the request names a parent or that channel.

    Raises:
        InvalidRequest: A hyperparameter or a channel cannot be passed on.
    """
    model, job = request.model, request.job
    seconds = int(machine.max_hours * 3600)
    wait = {"MaxWaitTimeInSeconds": _WAIT_FACTOR * seconds} if machine.spot else {}
    tags = {"larder:model": model, "larder:job": job, **machine.tags}
    return {
        "TrainingJobName": sagemaker_name(model, job),
        "AlgorithmSpecification": {
            "TrainingImage": machine.image,
            "TrainingInputMode": "File",
            "MetricDefinitions": metric_definitions(request.kind),
        },
        "RoleArn": machine.role,
        "HyperParameters": _hyperparameters(request),
        "InputDataConfig": [_channel(name, uri) for name, uri in _channels(request, store_url, live).items()],
        "OutputDataConfig": {"S3OutputPath": f"{store_url}/{output_prefix(model, job)}"},
        "CheckpointConfig": {"S3Uri": f"{store_url}/{checkpoints_prefix(model, job)}"},
        "ResourceConfig": {"InstanceType": machine.instance, "InstanceCount": 1, "VolumeSizeInGB": _VOLUME_GB},
        "StoppingCondition": {"MaxRuntimeInSeconds": seconds, **wait},
        "EnableManagedSpotTraining": machine.spot,
        "EnableNetworkIsolation": True,  # SageMaker moves the data; the container needs no network
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def _hyperparameters(request: JobRequest) -> dict[str, str]:
    values = {**request.hyperparameters, "kind": request.kind, "model": request.model}
    texts = {name: as_text(value) for name, value in values.items()}
    for name, text in texts.items():
        if len(text) > _VALUE_CHARACTERS or not text.isprintable():
            raise InvalidRequest(
                f"Hyperparameter {name[:60]!r} cannot be passed to SageMaker: give one line of at most "
                f"{_VALUE_CHARACTERS:,} characters."
            )
    return texts


def _channels(request: JobRequest, store_url: str, live: str | None) -> dict[str, str]:
    """The URI of each channel, in S3."""
    places = {name: place(request.model, uri) for name, uri in request.channels.items()}
    urls = {
        name: f"s3://{where.bucket}/{where.key}" if isinstance(where, S3Place) else f"{store_url}/{where.key}"
        for name, where in places.items()
    }
    parent = request.parent or live
    earlier = {} if parent is None else {"model": f"{store_url}/{releases_prefix(request.model)}{parent}/"}
    return {**earlier, **urls}


def _channel(name: str, url: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": url, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "InputMode": "File"}

"""The operations of Rekognition that are answered, and its names of Larder's errors."""

from typing import Final

from larder.compat.aws_json import Document, JsonApi, ModelResult, Operation
from larder.compat.rekognition import detection
from larder.errors import (
    LarderError,
    NotFound,
    NotReady,
    RequestError,
    TooLarge,
    TooManyRequests,
    UnreadableImage,
    UnsupportedMedia,
)
from larder.web.request import Request

_INVALID: Final = "InvalidParameterException"


def _of_projects(name: str) -> Operation:
    """A function of ``projects``, imported at its first call: labels in a cold start do not wait for it."""

    def call(request: Request, service: object, values: Document) -> ModelResult | Document:
        from larder.compat.rekognition import projects

        operation: Operation = getattr(projects, name)
        return operation(request, service, values)

    return call


API: Final = JsonApi(
    operations={
        "DetectCustomLabels": detection.detect_custom_labels,
        "DetectLabels": detection.detect_labels,
        "DescribeProjects": _of_projects("describe_projects"),
        "DescribeProjectVersions": _of_projects("describe_project_versions"),
        "StartProjectVersion": _of_projects("start_project_version"),
        "StopProjectVersion": _of_projects("stop_project_version"),
    },
    names={
        LarderError: ("InternalServerError", 500),
        RequestError: (_INVALID, 400),
        NotFound: ("ResourceNotFoundException", 400),
        NotReady: ("ResourceNotReadyException", 400),
        TooLarge: ("ImageTooLargeException", 400),
        UnsupportedMedia: ("InvalidImageFormatException", 400),
        UnreadableImage: ("InvalidImageFormatException", 400),
        TooManyRequests: ("ProvisionedThroughputExceededException", 400),
    },
    unknown=_INVALID,  # every operation of Rekognition models it
)

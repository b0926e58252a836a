"""The operations of Rekognition that are answered, and its names of Larder's errors."""

from typing import Final

from larder.compat.aws_json import JsonApi
from larder.compat.rekognition import detection, projects
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

_INVALID: Final = "InvalidParameterException"

API: Final = JsonApi(
    operations={
        "DetectCustomLabels": detection.detect_custom_labels,
        "DetectLabels": detection.detect_labels,
        "DescribeProjects": projects.describe_projects,
        "DescribeProjectVersions": projects.describe_project_versions,
        "StartProjectVersion": projects.start_project_version,
        "StopProjectVersion": projects.stop_project_version,
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

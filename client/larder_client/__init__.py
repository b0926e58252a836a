"""A Python client for Larder's HTTP API: typed, synchronous, standard library only.

::

    from larder_client import Client

    with Client("http://127.0.0.1:8080") as client:
        answer = client.classify("digits", "digit.png", max_labels=3)
        print(answer.labels[0].name, answer.labels[0].confidence)

        for item in client.recommend("shop", user="u0001", n=10, columns=["TITLE"]).items:
            print(item.id, item.score, item.columns["TITLE"])

Every error derives from :class:`ClientError`; :mod:`larder_client.errors` shows the tree. Requests that fail for a
temporary reason are repeated, as :class:`Retry` describes.
"""

from larder_client.answers import (
    Classification,
    Deletion,
    File,
    Item,
    Label,
    Model,
    ModelSummary,
    Reason,
    Recommendations,
    Releases,
    ReleaseSummary,
    StoredFilter,
    Structure,
    Taken,
)
from larder_client.client import Client
from larder_client.errors import (
    APIError,
    BadRequest,
    ClientError,
    ConnectionFailed,
    Forbidden,
    NotFound,
    ServerError,
    TimedOut,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    Unprocessable,
    UnsupportedMedia,
)
from larder_client.parameters import Boost, Promotion
from larder_client.retry import Retry
from larder_client.training_jobs import TrainingJob, TrainingJobs, TrainingJobsPage, TrainingLog, TrainingProgress
from larder_client.transport import Request

__all__ = [
    "APIError",
    "BadRequest",
    "Boost",
    "Classification",
    "Client",
    "ClientError",
    "ConnectionFailed",
    "Deletion",
    "File",
    "Forbidden",
    "Item",
    "Label",
    "Model",
    "ModelSummary",
    "NotFound",
    "Promotion",
    "Reason",
    "Recommendations",
    "ReleaseSummary",
    "Releases",
    "Request",
    "Retry",
    "ServerError",
    "StoredFilter",
    "Structure",
    "Taken",
    "TimedOut",
    "TooLarge",
    "TooManyRequests",
    "TrainingJob",
    "TrainingJobs",
    "TrainingJobsPage",
    "TrainingLog",
    "TrainingProgress",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "Unprocessable",
    "UnsupportedMedia",
]

"""A role's credentials from an address that the environment names: so a function that starts from a snapshot has them.

AWS Lambda gives other functions keys in variables. One with SnapStart has ``AWS_CONTAINER_CREDENTIALS_FULL_URI`` and
``AWS_CONTAINER_AUTHORIZATION_TOKEN`` (the container credential provider of AWS's SDKs), since keys would be in the
snapshot and expire. obstore reads that token from a file alone, as Kubernetes gives it.
"""

import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from larder.errors import StoreError

if TYPE_CHECKING:  # a name of obstore's stubs, which does not exist at run time
    from obstore.store import S3Credential

_ADDRESS: Final = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_TOKEN: Final = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105  # the variable's name
_SECONDS: Final = 3.0


def container_credentials(environment: Mapping[str, str]) -> "Callable[[], S3Credential] | None":
    """What asks for credentials each time that the last ones are about to expire; None where they come otherwise."""
    if "AWS_ACCESS_KEY_ID" in environment or not (environment.get(_ADDRESS) and environment.get(_TOKEN)):
        return None
    return _ask


def _ask() -> "S3Credential":
    from http.client import HTTPConnection  # of no use to a function without SnapStart

    url = urlsplit(os.environ[_ADDRESS])
    connection = HTTPConnection(url.hostname or "", url.port, timeout=_SECONDS)
    try:
        connection.request("GET", url.path, headers={"Authorization": os.environ[_TOKEN]})
        answer = connection.getresponse()
        if answer.status != 200:
            raise StoreError(f"{_ADDRESS} answered {answer.status} in place of credentials: check the function's role.")
        found = json.load(answer)
    finally:
        connection.close()
    return {
        "access_key_id": found["AccessKeyId"],
        "secret_access_key": found["SecretAccessKey"],
        "token": found["Token"],
        "expires_at": datetime.fromisoformat(found["Expiration"]),
    }

"""Credentials of a function with SnapStart, from the container credential provider.

AWS Lambda passes credentials to other functions in variables. With SnapStart, these would be part of the snapshot and
expire, so Lambda sets ``AWS_CONTAINER_CREDENTIALS_FULL_URI`` and ``AWS_CONTAINER_AUTHORIZATION_TOKEN`` instead. obstore
supports that token only in a file, as on Kubernetes.
"""

import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from larder.errors import StoreError

if TYPE_CHECKING:  # a name in obstore's stubs that does not exist at run time
    from obstore.store import S3Credential

_ADDRESS: Final = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_TOKEN: Final = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105  # the name of a variable
_SECONDS: Final = 3.0


def container_credentials(environment: Mapping[str, str]) -> "Callable[[], S3Credential] | None":
    """A function that fetches credentials before the last ones expire, or None if they come from elsewhere."""
    if "AWS_ACCESS_KEY_ID" in environment or not (environment.get(_ADDRESS) and environment.get(_TOKEN)):
        return None
    return _fetch


def _fetch() -> "S3Credential":
    from http.client import HTTPConnection  # only functions with SnapStart need it

    url = urlsplit(os.environ[_ADDRESS])
    connection = HTTPConnection(url.hostname or "", url.port, timeout=_SECONDS)
    try:
        connection.request("GET", url.path, headers={"Authorization": os.environ[_TOKEN]})
        response = connection.getresponse()
        if response.status != 200:
            raise StoreError(
                f"{_ADDRESS} returned status {response.status}, no credentials: check the function's role."
            )
        document = json.load(response)
    finally:
        connection.close()
    return {
        "access_key_id": document["AccessKeyId"],
        "secret_access_key": document["SecretAccessKey"],
        "token": document["Token"],
        "expires_at": datetime.fromisoformat(document["Expiration"]),
    }

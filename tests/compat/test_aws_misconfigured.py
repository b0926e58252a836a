"""What clients of AWS get from a service with an invalid environment: an error in their form, without details."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.compat.conftest import REGION
from tests.larder_local.conftest import Up, running


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    home: Path = tmp_path_factory.mktemp("misconfigured")
    with running(home, "--no-demo", "--workers", "1", LARDER_MAX_PIXELS="many") as service:
        yield service


@pytest.mark.parametrize(
    ("service", "error", "operation", "parameters"),
    [
        ("rekognition", "InternalServerError", "detect_labels", {"Image": {"Bytes": b"x"}}),
        ("sagemaker-runtime", "InternalFailure", "invoke_endpoint", {"EndpointName": "pets", "Body": b"x"}),
    ],
)
def test_an_invalid_environment_is_an_internal_error(
    up: Up, service: str, error: str, operation: str, parameters: dict[str, Any]
) -> None:
    assert up.key is not None, "larder up has made a key"
    access_key, _, secret_key = up.key.partition(".")
    connect: Any = boto3.client  # whose types have an overload for each service
    client = connect(
        service,
        endpoint_url=up.address,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(retries={"max_attempts": 0}),
    )
    with pytest.raises(ClientError) as raised:
        getattr(client, operation)(**parameters)
    assert isinstance(raised.value, getattr(client.exceptions, error))
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert raised.value.response["Error"]["Message"] == "Larder failed; its log says why."
    client.close()

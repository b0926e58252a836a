"""The protocol's own OpenAPI document: random requests that follow or break it get no undocumented status."""

from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance
from tests.compat.conftest import Endpoint
from tests.paths import SHARED

DOCUMENT = SHARED / "openapi/open_inference_rest.yaml"
EXAMPLES = 25  # requests for each operation and model


def read() -> dict[str, Any]:
    """The document, with its parameters as OpenAPI writes them: it has ``${NAME}`` in its paths, and ``/v2/``."""
    document: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text())
    paths = {path.replace("${", "{").rstrip("/"): item for path, item in document["paths"].items()}
    return {**document, "paths": paths}


@pytest.mark.skipif(not DOCUMENT.is_file(), reason="the protocol's document is not on this machine")
@pytest.mark.parametrize("model", ["colours", "shop"])
@pytest.mark.parametrize(
    ("path", "mode"),
    [
        (path, mode)
        for path in (read()["paths"] if DOCUMENT.is_file() else [])
        for mode in GenerationMode
        if mode.is_positive or path.endswith("/infer")  # a request without parameters and body cannot break a document
    ],
)
def test_no_status_is_undocumented(endpoint: Endpoint, path: str, model: str, mode: GenerationMode) -> None:
    release = max(folder.name for folder in (endpoint.store / f"models/{model}/releases").iterdir())
    infers = path.endswith("/infer")
    operation = schemathesis.openapi.from_dict(read())[path]["POST" if infers else "GET"]
    variables = {"MODEL_NAME": model, "MODEL_VERSION": release} if "{" in path else None

    @settings(max_examples=EXAMPLES if infers else 2, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(mode, path_parameters=variables, query={}, headers={}, cookies={}))
    def check(case: Case[Any]) -> None:
        response = case.call(base_url=endpoint.url, headers={"x-api-key": endpoint.key})
        case.validate_response(response, checks=[status_code_conformance, response_schema_conformance])

    check()

"""The headers of InvokeEndpoint, and of its response."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from larder.compat.aws_errors import request_headers
from larder.compat.sagemaker.errors import NotAcceptable
from larder.errors import InvalidRequest
from larder.release.manifest import Manifest
from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import json_response

if TYPE_CHECKING:
    from larder.host.release_cache import T
    from larder.web.model_service import ModelService

_HEADER: Final = "x-amzn-sagemaker-"
_ALL_TRAFFIC: Final = "AllTraffic"  # the variant that SageMaker's SDK creates
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]*")
_MOST: Final = {"custom-attributes": 1024, "inference-id": 64}
_ECHOED: Final = {
    "custom-attributes": "X-Amzn-SageMaker-Custom-Attributes",
    "inference-id": "X-Amzn-SageMaker-Inference-Id",
}
_UNSUPPORTED: Final = ("target-container-hostname", "enable-explanations", "session-id")
_ACCEPTED: Final = frozenset({"", "*/*", "application/*", "application/json"})


@dataclass(frozen=True, slots=True)
class EndpointCall:
    """What a request invokes.

    Attributes:
        model: The model; not checked to exist.
        release: The release that is the target variant, or None for the live one.
    """

    model: str
    release: str | None

    @classmethod
    def of(cls, request: Request, service: "ModelService[T]") -> "EndpointCall":
        """Read the endpoint's name and the headers; raises InvalidRequest for a header that is not supported.

        The model is the inference component, the target model (``pets.tar.gz``) or the endpoint.
        """
        for name in _UNSUPPORTED:
            if request.header(_HEADER + name):
                raise InvalidRequest(f"The header X-Amzn-SageMaker-{name.title()} is not supported: leave it out.")
        for name, most in _MOST.items():
            value = request.header(_HEADER + name)
            if len(value) > most or not _PRINTABLE.fullmatch(value):
                raise InvalidRequest(f"{_ECHOED[name]} is not valid: use at most {most} printable ASCII characters.")
        variant = request.header(f"{_HEADER}target-variant")
        release = None if variant in ("", _ALL_TRAFFIC) else variant
        component, artifact = (request.header(_HEADER + name) for name in ("inference-component", "target-model"))
        name = component or artifact or request.path_parameter("endpoint")
        return cls(service.model_of(name, name.rpartition("/")[2].removesuffix(".tar.gz")), release)


def check_accept(request: Request) -> None:
    """Raise NotAcceptable unless the caller accepts JSON."""
    accepted = [entry.partition(";")[0].strip().lower() for entry in request.header("accept").split(",")]
    if not _ACCEPTED.intersection(accepted):
        raise NotAcceptable(f"Accept is {request.header('accept')[:80]!r}: the answer is application/json.")


def invocation_response(request: Request, manifest: Manifest, document: object) -> Response[str]:
    """The response: the variant that answered is the release; the caller's id and attributes are sent back."""
    echoed = {name: value for key, name in _ECHOED.items() if (value := request.header(_HEADER + key))}
    headers = {**request_headers(), "x-Amzn-Invoked-Production-Variant": manifest.release, **echoed}
    return json_response(document, model=manifest.model, release=manifest.release, headers=headers)

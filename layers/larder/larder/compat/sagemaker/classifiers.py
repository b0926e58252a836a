"""InvokeEndpoint for classifiers."""

from typing import TYPE_CHECKING

from larder.compat.sagemaker.errors import format_error, of_the_body
from larder.compat.sagemaker.images import Images, classify
from larder.compat.sagemaker.invocation import EndpointCall, check_accept, invocation_response
from larder.errors import InvalidRequest
from larder.web.request import Request
from larder.web.resolver import Response

if TYPE_CHECKING:
    from larder.classifier.graph import Classifier
    from larder.web.model_service import ModelService

__all__ = ["format_error", "invoke", "refuse_async", "refuse_stream"]


def invoke(request: Request, service: "ModelService[Classifier]") -> Response[str]:
    """Classify the images of the body by the endpoint's model."""
    invocation = EndpointCall.of(request, service)
    loaded = service.loaded(request, invocation.model, release=invocation.release)
    with of_the_body():
        check_accept(request)
        document = classify(request, loaded, Images.of(request), service.store)
    return invocation_response(request, loaded.manifest, document)


def refuse_async(_: Request, __: object) -> Response[str]:
    """InvokeEndpointAsync: always an error."""
    raise InvalidRequest("Asynchronous inference is not available: use InvokeEndpoint, which answers at once.")


def refuse_stream(_: Request, __: object) -> Response[str]:
    """InvokeEndpointWithResponseStream: always an error."""
    raise InvalidRequest("Streamed responses are not available: use InvokeEndpoint, which answers at once.")

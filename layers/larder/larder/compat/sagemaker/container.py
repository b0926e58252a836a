"""The contract of an inference container: ``GET /ping`` and ``POST /invocations``, answered by the default model.

Source: "Use your own inference code with hosting services" in the SageMaker developer guide. Errors are native ones: a
container chooses their form.
"""

from typing import TYPE_CHECKING

from larder.compat.sagemaker.images import Images, classify
from larder.compat.sagemaker.invocation import check_accept, invocation_response
from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import error_response as format_error

if TYPE_CHECKING:
    from larder.classifier.graph import Classifier
    from larder.web.model_service import ModelService

__all__ = ["format_error", "invoke", "ping"]


def ping(_: Request, service: "ModelService[Classifier]") -> Response[str]:
    """An empty 200 if the function can open its store."""
    service.open()
    return Response(200, content_type="text/plain", body="")


def invoke(request: Request, service: "ModelService[Classifier]") -> Response[str]:
    """Classify the images of the body by the default model."""
    request.check_parameters(())
    loaded = service.loaded(request, service.default_model(request))
    check_accept(request)
    return invocation_response(request, loaded.manifest, classify(request, loaded, Images.of(request), service.store))

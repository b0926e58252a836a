"""The routes of the protocol."""

import json
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, cast

from larder.compat.open_inference.messages import InferenceRequest, Wanted, respond
from larder.compat.open_inference.models import ACTIONS, Loaded, allowed, models_of
from larder.compat.open_inference.specification import MAX_BATCH, InferenceModel
from larder.compat.open_inference.statistics import Statistics
from larder.compat.open_inference.tensors import BYTES, InferenceTensor
from larder.errors import InvalidRequest, NotReady, ReleaseError, RequestError
from larder.registry.documents import documents_of
from larder.web.model_service import ModelService
from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import Problem, json_response, release_headers

if TYPE_CHECKING:
    from larder.classifier.graph import Classifier

    Service = ModelService[Classifier]

_EXTENSIONS: Final = (
    "classification",
    "binary_tensor_data",
    "model_configuration",
    "model_repository",
    "statistics",
)
_MAX_VERSIONS: Final = 100
_INVALID: Final = frozenset({413, 415, 422})  # the protocol has 400 for these
statistics: Final = Statistics()


def live(_: Request, __: "Service") -> Response[str]:
    """Whether the server is live: it answers."""
    return _nothing()


def ready(_: Request, service: "Service") -> Response[str]:
    """Whether the server is ready: its environment is valid and its store opens."""
    service.open()
    return _nothing()


def server_metadata(_: Request, __: "Service") -> Response[str]:
    """The server and its extensions of the protocol."""
    return json_response({"name": "larder", "version": _version_of_larder(), "extensions": _EXTENSIONS})


def model_ready(request: Request, service: "Service") -> Response[str]:
    """Whether a model is ready: its release loads."""
    loaded = _find(request, service)
    return Response(200, content_type="application/json", headers=_headers(loaded), body="")


def model_metadata(request: Request, service: "Service") -> Response[str]:
    """Versions, inputs and outputs of a model."""
    loaded = _find(request, service)
    model = _adapter(loaded)
    stored = models_of(service).registry.releases(loaded.manifest.model)
    versions = [name for name, files in sorted(stored.items(), reverse=True) if files.complete and not files.rejected]
    document = {
        "name": request.path_parameter("name"),
        "versions": versions[:_MAX_VERSIONS],
        "platform": model.platform,
        "inputs": [spec.metadata() for spec in model.inputs],
        "outputs": [spec.metadata() for spec in model.outputs],
        "properties": dict(model.properties),
    }
    return _about(loaded, document)


def model_config(request: Request, service: "Service") -> Response[str]:
    """The configuration of a model, as Triton has it."""
    loaded = _find(request, service)
    model = _adapter(loaded)
    release = loaded.manifest.release
    document = {
        "name": request.path_parameter("name"),
        "platform": model.platform,
        "backend": model.platform.partition("_")[0],
        "max_batch_size": MAX_BATCH,
        "version_policy": {"specific": {"versions": [release]}},
        "input": [spec.config() for spec in model.inputs],
        "output": [spec.config() for spec in model.outputs],
    }
    return _about(loaded, document)


def model_statistics(request: Request, service: "Service") -> Response[str]:
    """What this process counted of a model's release."""
    manifest = (loaded := _find(request, service)).manifest
    return _about(loaded, statistics.document([(manifest.model, manifest.release)]))


def infer(request: Request, service: "Service") -> Response[str]:
    """The outputs of a model for a batch of inputs."""
    models, name = models_of(service), request.path_parameter("name")
    models.find(request, name, _version(request), reads=False)  # who may not use the model learns nothing by its errors
    inference = InferenceRequest.read(request)
    loaded = models.find(request, name, _version(request), reads=False, key=_only_user(inference))
    manifest, begun, rows = loaded.manifest, time.perf_counter_ns(), 0
    try:
        model = _adapter(loaded)
        wanted = _wanted(inference, model)
        outputs = model.infer(inference)
        rows = next(iter(outputs.values())).shape[0]
    finally:
        statistics.add(manifest.model, manifest.release, time.perf_counter_ns() - begun, rows)
    answered = [
        (_classified(outputs[output.name], output.classes, model) if output.classes else outputs[output.name], output)
        for output in wanted
    ]
    return respond(request, inference, manifest, name, [(tensor, output.binary) for tensor, output in answered])


def repository_index(request: Request, service: "Service") -> Response[str]:
    """Every model that the caller may use or read, with its live release."""
    only_ready = bool(_optional_json(request).get("ready"))
    listed = documents_of(service.store).models(
        lambda name: any(allowed(request, name, kind, reads=True) for kind in ACTIONS)
    )
    models = cast("Sequence[Mapping[str, Any]]", listed["models"])
    entries = [_index_entry(entry) for entry in models if _is_listed(request, entry)]
    return json_response([entry for entry in entries if entry["state"] == "READY" or not only_ready])


def load(request: Request, service: "Service") -> Response[str]:
    """Load the live release now rather than at its first request; nothing else can be loaded."""
    if _optional_json(request).get("parameters"):
        raise InvalidRequest(
            "A model is loaded as its release states it: publish another release (larder publish), and leave the "
            "parameters out."
        )
    return _about(_find(request, service), {})


def unload(request: Request, service: "Service") -> Response[str]:
    """Refuse: what serves is decided by publishing releases."""
    _find(request, service)
    raise InvalidRequest(
        "Models cannot be unloaded: one that is not used is dropped when memory is needed. To take a model out of "
        "service, use larder rm."
    )


def format_error(problem: Problem, _: Request) -> Response[str]:
    """The protocol's form of an error: ``{"error": "<message>"}``."""
    status = problem.status
    if isinstance(problem.error, ReleaseError):
        status = NotReady.status  # the request was right, but the model cannot answer
    elif isinstance(problem.error, RequestError) and status in _INVALID:
        status = 400
    return json_response({"error": problem.message}, status=status, headers=problem.headers)


@cache
def _version_of_larder() -> str:
    """The version as the OpenAPI document has it: the layer has no package metadata."""
    document = json.loads(files("larder").joinpath("openapi.json").read_text("utf-8"))
    return str(document["info"]["version"])


def _find(request: Request, service: "Service") -> Loaded:
    return models_of(service).find(request, request.path_parameter("name"), _version(request), reads=True)


def _version(request: Request) -> str | None:
    """The release that the path names, or None for a path without one."""
    return request.path_parameter("version") if "/versions/" in request.http.path else None


def _only_user(inference: InferenceRequest) -> str | None:
    """The user of a request about one, which keeps them on canary or stable, as the native route does."""
    user = inference.inputs.get("user")
    return user.texts[0].decode(errors="replace") or None if user and len(user.texts) == 1 else None


def _adapter(loaded: Loaded) -> InferenceModel:
    if loaded.manifest.kind == "classifier":
        from larder.classifier.graph import Classifier
        from larder.compat.open_inference.classifiers import ClassifierModel

        assert isinstance(loaded.value, Classifier)  # noqa: S101  # for the type checker
        return ClassifierModel(loaded.value)
    from larder.compat.open_inference.recommenders import RecommenderModel
    from larder.recommender import Recommender

    assert isinstance(loaded.value, Recommender)  # noqa: S101  # for the type checker
    return RecommenderModel(loaded.value)


def _wanted(inference: InferenceRequest, model: InferenceModel) -> Sequence[Wanted]:
    """The outputs to return; raises InvalidRequest if the model has no such output, or no classes for it."""
    names = [spec.name for spec in model.outputs]
    if inference.outputs is None:
        return [Wanted(name, inference.binary) for name in names]
    for output in inference.outputs:
        if output.name not in names:
            raise InvalidRequest(f"{output.name[:60]!r} is not an output of this model: use {', '.join(names)}.")
        if output.classes and output.name not in model.classes:
            known = ", ".join(model.classes) or "none"
            raise InvalidRequest(f"output {output.name} has no classes; these outputs have them: {known}.")
    return inference.outputs


def _classified(tensor: InferenceTensor, count: int, model: InferenceModel) -> InferenceTensor:
    """The best classes of each row as ``score:index:label``, best first: the classification extension."""
    labels = model.classes[tensor.name]
    rows, width = tensor.shape
    values, count = memoryview(tensor.raw).cast("f"), min(count, width)
    texts = []
    for row in range(rows):
        scores = values[row * width : (row + 1) * width]
        best = sorted(range(width), key=lambda index: -scores[index])[:count]  # used in this round only
        texts += [f"{scores[index]:f}:{index}:{labels[index]}".encode() for index in best]
    return InferenceTensor(tensor.name, BYTES, (rows, count), texts=texts)


def _is_listed(request: Request, entry: Mapping[str, Any]) -> bool:
    """Whether the caller may use a model of its kind, which is unknown if its live release cannot be read."""
    kinds = [kind for kind in ACTIONS if entry["kind"] in (kind, None)]
    return any(allowed(request, entry["model"], kind, reads=True) for kind in kinds)


def _index_entry(entry: Mapping[str, Any]) -> dict[str, object]:
    if entry["live"]:
        return {"name": entry["model"], "version": entry["live"], "state": "READY", "reason": ""}
    return {
        "name": entry["model"],
        "version": "",
        "state": "UNAVAILABLE",
        "reason": "no release is live, or it cannot be read",
    }


def _optional_json(request: Request) -> Mapping[str, object]:
    return request.json() if request.http.body else {}


def _about(loaded: Loaded, document: object) -> Response[str]:
    return json_response(document, model=loaded.manifest.model, release=loaded.manifest.release)


def _headers(loaded: Loaded) -> Mapping[str, str | list[str]]:
    return release_headers(loaded.manifest.model, loaded.manifest.release)


def _nothing() -> Response[str]:
    return Response(200, content_type="application/json", body="")

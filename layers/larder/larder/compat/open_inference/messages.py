"""Requests and responses of an inference: JSON, the binary part after it, and compression."""

import base64
import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from larder.compat.open_inference.tensors import InferenceTensor, read_inputs, read_object
from larder.errors import InvalidRequest, TooLarge
from larder.release.manifest import Manifest
from larder.web.request import Request, check_fields, read_json
from larder.web.resolver import Response
from larder.web.responses import encode_json, release_headers

HEADER_LENGTH: Final = "inference-header-content-length"
MAX_BODY: Final = 64 * 2**20  # bytes after decompression: 400 images of 224 x 224
_FIELDS: Final = frozenset({"id", "parameters", "inputs", "outputs"})
_GZIP: Final = 16 + zlib.MAX_WBITS  # zlib's name for the gzip format
_LEVEL: Final = 6  # the default of both formats
_JSON: Final = "application/json"
_BINARY: Final = "application/octet-stream"
_WINDOWS: Final = {"gzip": _GZIP, "deflate": zlib.MAX_WBITS}


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output that a request asks for.

    Attributes:
        name: The name of the output.
        binary: Whether to send it after the JSON.
        classes: How many of the best classes to name in its place, or 0 for the output itself.
    """

    name: str
    binary: bool
    classes: int = 0


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """An inference request.

    Attributes:
        id: What the response repeats, or None.
        parameters: The parameters of the whole request.
        inputs: The inputs by name.
        outputs: The outputs that the request asks for; None for all.
        binary: Whether outputs are sent after the JSON if ``outputs`` is None.
    """

    id: str | None
    parameters: Mapping[str, object]
    inputs: Mapping[str, InferenceTensor]
    outputs: Sequence[Wanted] | None
    binary: bool

    @classmethod
    def read(cls, request: Request) -> "InferenceRequest":
        """Read the body of a request; raises InvalidRequest or TooLarge."""
        body = _decompressed(request)
        length = _header_length(request.header(HEADER_LENGTH), len(body))
        document = read_json(body if length is None else body[:length])
        check_fields(document, _FIELDS)
        identifier = document.get("id")
        if not isinstance(identifier, str | None):
            raise InvalidRequest(f"id is {identifier!r:.60}: send a string, or leave it out.")
        parameters = read_object("parameters", document.get("parameters"))
        binary = _flag(parameters, "binary_data_output", default=False)
        return cls(
            id=identifier,
            parameters={name: value for name, value in parameters.items() if name != "binary_data_output"},
            inputs=read_inputs(document.get("inputs"), None if length is None else body[length:]),
            outputs=_outputs(document.get("outputs"), binary=binary),
            binary=binary,
        )


def respond(
    request: Request,
    inference: InferenceRequest,
    manifest: Manifest,
    name: str,
    outputs: Sequence[tuple[InferenceTensor, bool]],
) -> Response[str]:
    """The response with each output in JSON, or after it where its flag is set; compressed as the caller accepts.

    Args:
        request: The request.
        inference: Its body.
        manifest: The manifest of the release that answers.
        name: The model's name as the request has it.
        outputs: The outputs, each with the flag.
    """
    document: dict[str, object] = {"model_name": name, "model_version": manifest.release}
    if inference.id is not None:
        document["id"] = inference.id
    parts: list[bytes] = []
    document["outputs"] = [_output(tensor, parts, binary=binary) for tensor, binary in outputs]
    header = encode_json(document)
    headers = release_headers(manifest.model, manifest.release)
    encoding = _accepted(request.header("accept-encoding"))
    if not parts and encoding is None:
        return Response(200, content_type=_JSON, headers=headers, body=header)
    body = header.encode()
    if parts:
        headers[HEADER_LENGTH] = str(len(body))
        body += b"".join(parts)
    if encoding:
        headers["content-encoding"] = encoding
        body = gzip.compress(body, _LEVEL, mtime=0) if encoding == "gzip" else zlib.compress(body, _LEVEL)
    # In base64 already: Powertools would take bytes that are compressed JSON for a value to serialise.
    text = base64.b64encode(body).decode()
    response = Response(200, content_type=_BINARY if parts else _JSON, headers=headers, body=text)
    response.base64_encoded = True
    return response


def _output(tensor: InferenceTensor, parts: list[bytes], *, binary: bool) -> dict[str, object]:
    entry: dict[str, object] = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
    if not binary:
        return {**entry, "data": tensor.json_values()}
    part = tensor.binary()
    parts.append(part)
    return {**entry, "parameters": {"binary_data_size": len(part)}}


def _decompressed(request: Request) -> bytes:
    body, encoding = request.body(), request.header("content-encoding").strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in _WINDOWS:
        raise InvalidRequest(f"Content-Encoding is {encoding[:40]!r}: use gzip or deflate, or none.")
    unpacker = zlib.decompressobj(_WINDOWS[encoding])
    try:
        data = unpacker.decompress(body, MAX_BODY + 1)
    except zlib.error as error:
        raise InvalidRequest(f"The body is not in the format {encoding}, as Content-Encoding says.") from error
    if len(data) > MAX_BODY:
        raise TooLarge(f"The body has more than {MAX_BODY} bytes after decompression: send smaller batches.")
    if not unpacker.eof:
        raise InvalidRequest(f"The body ends before its {encoding} data do: send all of it.")
    return data


def _header_length(text: str, size: int) -> int | None:
    """The length of the JSON if a binary part follows it."""
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 12 or int(text) > size:
        raise InvalidRequest(
            f"Inference-Header-Content-Length is {text[:20]!r}: send the length of the JSON, at most {size} bytes here."
        )
    return int(text)


def _outputs(value: object, *, binary: bool) -> list[Wanted] | None:
    if value is None or value == []:
        return None
    if not isinstance(value, list):
        raise InvalidRequest("outputs is not a list: send the outputs by name, or leave it out for all.")
    outputs = [_wanted(entry, binary=binary) for entry in value]
    if len({output.name for output in outputs}) != len(outputs):
        raise InvalidRequest("outputs names an output twice: name each once.")
    return outputs


def _wanted(entry: object, *, binary: bool) -> Wanted:
    if not isinstance(entry, dict) or not isinstance(name := entry.get("name"), str):
        raise InvalidRequest("an entry of outputs has no name: send the name of an output.")
    check_fields(entry, frozenset({"name", "parameters"}))
    parameters = read_object(f"parameters of output {name[:60]!r}", entry.get("parameters"))
    if "shared_memory_region" in parameters:
        raise InvalidRequest(f"output {name[:60]!r} is asked for in shared memory, which this service has none of.")
    classes = parameters.get("classification", 0)
    if not isinstance(classes, int) or isinstance(classes, bool) or not 0 <= classes <= 2**31:
        raise InvalidRequest(f"classification is {classes!r:.40}: send how many of the best classes to name.")
    return Wanted(name, _flag(parameters, "binary_data", default=binary), classes)


def _flag(parameters: Mapping[str, object], name: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name} is {value!r:.40}: send true or false.")
    return value


def _accepted(header: str) -> str | None:
    """The encoding of the response: the first that the caller accepts of those that Triton has."""
    for part in header.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in _WINDOWS and weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            return name.strip()
    return None

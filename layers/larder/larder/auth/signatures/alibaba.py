"""Signatures of Alibaba Cloud: RPC signature 1.0 (HMAC-SHA1 over the parameters), and V3 (ACS3-HMAC-SHA256).

Sources: the packages ``aliyun-python-sdk-core`` (``auth.composer.rpc_signature_composer``) and
``alibabacloud-tea-openapi`` (``utils.get_rpcsignature`` and ``utils.get_authorization``) on PyPI.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import Final

from larder.auth.request import SignedRequest, is_form, query_pairs
from larder.auth.signatures.canonical import canonical_paths, canonical_queries, encoded, split_query
from larder.auth.signatures.times import check_skew, extended_time
from larder.errors import Unauthorized

ALGORITHM: Final = "ACS3-HMAC-SHA256"
_CONTENT: Final = "x-acs-content-sha256"
_MAX_FORM: Final = 65_536  # encoding a longer one takes seconds, which an unknown caller must not cost
_NAMES = re.compile(r"[a-z0-9-]+(?:;[a-z0-9-]+)*")


@dataclass(frozen=True, slots=True)
class RpcSignature:
    """A signature of version 1.0: a parameter beside those that it covers.

    Attributes:
        key: The id of the key.
        seconds: When it was made, in seconds since the epoch.
        value: The signature, in base64.
        parameters: All parameters but the signature: of the query string, and of the form in the body.
    """

    key: str
    seconds: int
    value: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AcsSignature:
    """A signature of version 3, in the header ``Authorization``.

    Attributes:
        key: The id of the key.
        seconds: When it was made, in seconds since the epoch.
        headers: The names of the signed headers.
        value: The signature, in hex.
    """

    key: str
    seconds: int
    headers: tuple[str, ...]
    value: str


def read_rpc(request: SignedRequest) -> RpcSignature | None:
    """The signature 1.0, or None if the request has none; raises Unauthorized if it cannot be read."""
    parameters, body = dict(query_pairs(request.raw_query)), request.raw_body()
    covered = is_form(request) and len(body) <= _MAX_FORM
    if covered:
        parameters.update(query_pairs(body.decode("utf-8", "replace")))
    value, key = parameters.pop("Signature", ""), parameters.get("AccessKeyId", "")
    if not (value and key):
        return None
    if body and not covered:  # else who captures a signature could send it with any body
        raise _malformed(f"version 1.0 covers no body but a form of at most {_MAX_FORM} bytes; use {ALGORITHM}")
    if parameters.get("SignatureMethod") != "HMAC-SHA1" or parameters.get("SignatureVersion") != "1.0":
        raise _malformed("it is not HMAC-SHA1 of version 1.0; use that, or ACS3-HMAC-SHA256")
    return RpcSignature(key, _time(parameters.get("Timestamp", ""), "Timestamp"), value, parameters)


def verifies(signature: RpcSignature | AcsSignature, request: SignedRequest, secret: str) -> bool:
    """Whether the owner of ``secret`` signed this request."""
    if isinstance(signature, RpcSignature):
        return _verifies_rpc(signature, request, secret)
    return _verifies_acs(signature, request, secret)


def _verifies_rpc(signature: RpcSignature, request: SignedRequest, secret: str) -> bool:
    """Whether the owner of ``secret`` signed the parameters of this request."""
    pairs = sorted((encoded(name), encoded(value)) for name, value in signature.parameters.items())
    query = "&".join(f"{name}={value}" for name, value in pairs)
    text = f"{request.method}&%2F&{encoded(query)}"
    expected = b64encode(hmac_digest(f"{secret}&".encode(), text.encode("utf-8", "surrogatepass"), "sha1"))
    return compare_digest(expected, signature.value.encode("utf-8", "replace"))


def read_acs(request: SignedRequest) -> AcsSignature:
    """The signature of version 3; raises Unauthorized if it cannot be read."""
    _, _, rest = request.headers.get("authorization", "").partition(" ")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    key, names, value = (fields.get(name, "") for name in ("Credential", "SignedHeaders", "Signature"))
    if not (key and _NAMES.fullmatch(names) and re.fullmatch(r"[0-9a-f]{64}", value)):
        raise _malformed("Credential, SignedHeaders or Signature is missing or has another form")
    signed = tuple(names.split(";"))
    for name in ("host", "x-acs-action", "x-acs-date", _CONTENT):
        if name not in signed:
            raise _malformed(f"the header {name} is not signed")
    return AcsSignature(key, _time(request.headers.get("x-acs-date", ""), "x-acs-date"), signed, value)


def _verifies_acs(signature: AcsSignature, request: SignedRequest, secret: str) -> bool:
    """Whether the owner of ``secret`` signed this request and its body."""
    payload = sha256(request.raw_body()).hexdigest()
    if not compare_digest(request.headers.get(_CONTENT, "").encode("utf-8", "replace"), payload.encode()):
        return False
    headers = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in signature.headers)
    names = ";".join(signature.headers)
    for path in canonical_paths(request.path, twice=False):
        for query in canonical_queries(split_query(request.raw_query)):
            canonical = f"{request.method}\n{path}\n{query}\n{headers}\n{names}\n{payload}"
            text = f"{ALGORITHM}\n{sha256(canonical.encode('utf-8', 'surrogatepass')).hexdigest()}"
            if compare_digest(hmac_digest(secret.encode(), text.encode(), "sha256").hex(), signature.value):
                return True
    return False


def check_time(signature: RpcSignature | AcsSignature, now: float) -> None:
    """Raise Unauthorized if the signature is not valid yet or no longer."""
    check_skew(signature.seconds, now)


def _time(text: str, name: str) -> int:
    seconds = extended_time(text.strip())
    if seconds is None:
        raise _malformed(f"{name} is not of the form 2015-08-30T12:36:00Z")
    return seconds


def _malformed(reason: str) -> Unauthorized:
    return Unauthorized(f"The Alibaba Cloud signature cannot be verified: {reason}.", "malformed")

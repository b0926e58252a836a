"""Sign a request with AWS's Signature Version 4, as a client does. ``sigv4`` verifies the same."""

from hashlib import sha256
from hmac import digest as hmac_digest
from typing import NamedTuple

from larder.auth.request import SignedRequest
from larder.auth.signatures.sigv4 import ALGORITHM, Signature, canonical_requests, signing_key
from larder.auth.signatures.times import basic_text


class SigningScope(NamedTuple):
    """What a signature is for.

    Attributes:
        region: The region, such as ``eu-central-1``.
        service: The service's name in signatures, such as ``dynamodb``.
    """

    region: str
    service: str


def authorization(request: SignedRequest, scope: SigningScope, key_id: str, secret: str) -> str:
    """The header ``Authorization`` of a request as it will be sent.

    Args:
        request: The request. All its headers are signed, so it has ``host`` and ``x-amz-date``.
        scope: What the signature is for.
        key_id: The id of the key.
        secret: The key's secret.
    """
    time, names = request.headers["x-amz-date"], tuple(sorted(request.headers))
    signature = Signature(key_id, (time[:8], *scope), time, 0, names, "")
    canonical = next(canonical_requests(signature, request, sha256(request.raw_body()).hexdigest()))
    stated = "/".join((*signature.scope, "aws4_request"))
    text = f"{ALGORITHM}\n{time}\n{stated}\n{sha256(canonical.encode()).hexdigest()}"
    value = hmac_digest(signing_key(secret, signature.scope), text.encode(), "sha256").hex()
    return f"{ALGORITHM} Credential={key_id}/{stated}, SignedHeaders={';'.join(names)}, Signature={value}"


def amz_date(seconds: float) -> str:
    """The header ``x-amz-date`` of a time in epoch seconds."""
    return basic_text(int(seconds))

"""AWS's Signature Version 4, in the header ``Authorization`` and in the query string (presigned URLs).

Any region and any service may stand in the scope of a signature: a key of Larder signs for no other service, so that
the names decide nothing but how the path is encoded (``s3`` is the exception) and which payload a presigned URL has.
"""

from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import Final, NamedTuple

from larder.auth.request import SignedRequest
from larder.auth.signatures import chunks
from larder.auth.signatures.canonical import canonical_headers, canonical_paths, canonical_queries, split_query
from larder.auth.signatures.times import SKEW_SECONDS, basic_text, basic_time, check_skew, http_time
from larder.errors import Unauthorized

ALGORITHM: Final = "AWS4-HMAC-SHA256"
MAX_EXPIRES: Final = 604_800
_S3: Final = "s3"
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"
_HEX: Final = frozenset("0123456789abcdef")
_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+.^_`|~-")
# Headers of AWS that change what a request means must be signed. A session token means nothing to Larder, and
# CloudFront adds the other one behind the caller.
_MEANINGFUL: Final = ("x-amz-", "x-amzn-sagemaker-")
_UNSIGNED_HEADERS: Final = ("x-amz-security-token", "x-amz-cf-id")


class Signature(NamedTuple):
    """A signature as a request states it.

    Attributes:
        key: The id of the key.
        scope: Date, region and service.
        time: When it was made, as in ``20150830T123600Z``.
        seconds: The same in seconds since the epoch.
        headers: The names of the signed headers.
        value: The signature, in hex.
        expires: The seconds for which a presigned URL is valid; None for a signature in a header.
    """

    key: str
    scope: tuple[str, str, str]
    time: str
    seconds: int
    headers: tuple[str, ...]
    value: str
    expires: int | None = None

    @property
    def service(self) -> str:
        """The name of the service."""
        return self.scope[2]


def read_header(request: SignedRequest) -> Signature:
    """The signature in the header ``Authorization``; raises Unauthorized if it cannot be read."""
    algorithm, _, rest = request.headers.get("authorization", "").strip().partition(" ")
    if algorithm != ALGORITHM:
        raise _malformed(f"{algorithm[:40]} is not supported; use {ALGORITHM}")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    time = request.headers.get("x-amz-date", "").strip()
    seconds, dated = basic_time(time), "x-amz-date"
    if not time:
        seconds, dated = http_time(request.headers.get("date", "").strip()), "date"
        time = "" if seconds is None else basic_text(seconds)
    signature = _signature(fields, time, seconds, None)
    if dated not in signature.headers:
        raise _malformed(f"the header {dated} is not signed")
    return _with_meaningful_headers(signature, request)


def read_query(request: SignedRequest) -> Signature:
    """The signature in the query string; raises Unauthorized if it cannot be read."""
    from urllib.parse import unquote

    sent = [(name, unquote(value)) for name, value in split_query(request.raw_query) if name.startswith("X-Amz-")]
    query = dict(sent)
    if len(query) != len(sent):
        raise _malformed("a parameter X-Amz-... is repeated")
    if query.get("X-Amz-Algorithm") != ALGORITHM:
        raise _malformed(f"X-Amz-Algorithm is not {ALGORITHM}")
    time, expires = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 6) or not 1 <= int(expires) <= MAX_EXPIRES:
        raise _malformed(f"X-Amz-Expires is not a number of seconds from 1 to {MAX_EXPIRES}")
    fields = {name: query.get(f"X-Amz-{name}", "") for name in ("Credential", "SignedHeaders", "Signature")}
    return _with_meaningful_headers(_signature(fields, time, basic_time(time), int(expires)), request)


def check_time(signature: Signature, now: float) -> None:
    """Raise Unauthorized if the signature is not valid yet or no longer."""
    if signature.expires is None:
        check_skew(signature.seconds, now)
    elif now > signature.seconds + signature.expires:
        raise Unauthorized("The presigned URL has expired: make a new one.", "expired")
    elif signature.seconds - now > SKEW_SECONDS:
        check_skew(signature.seconds, now)


def verifies(signature: Signature, request: SignedRequest, secret: str) -> bool:
    """Whether the owner of ``secret`` signed this request; raises Unauthorized for a payload that cannot be verified.

    The comparison takes the same time wherever the signatures differ.
    """
    payload = _payload(signature, request)
    key = signing_key(secret, signature.scope)
    scope = "/".join((*signature.scope, "aws4_request"))
    for canonical in canonical_requests(signature, request, payload):
        digest = sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
        text = f"{ALGORITHM}\n{signature.time}\n{scope}\n{digest}"
        if compare_digest(hmac_digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex(), signature.value):
            return payload not in chunks.SIGNED or _chunks_verify(signature, request, key, scope)
    return False


def _chunks_verify(signature: Signature, request: SignedRequest, key: bytes, scope: str) -> bool:
    """Whether each chunk of the body, and the trailing headers, have the signature that follows from the one before."""
    body = chunks.read_chunks(request.headers, request.raw_body())
    previous, stated = signature.value, f"{signature.time}\n{scope}"
    for data, value in body.chunks:
        hashes = f"{sha256(b'').hexdigest()}\n{sha256(data).hexdigest()}"
        text = f"{ALGORITHM}-PAYLOAD\n{stated}\n{previous}\n{hashes}"
        previous = hmac_digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()
        if not compare_digest(previous.encode(), value.encode("utf-8", "replace")):
            return False
    if not (body.trailer or body.trailer_signature):
        return True
    text = f"{ALGORITHM}-TRAILER\n{stated}\n{previous}\n{sha256(body.trailer).hexdigest()}"
    expected = hmac_digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()
    return compare_digest(expected.encode(), body.trailer_signature.encode("utf-8", "replace"))


def canonical_requests(signature: Signature, request: SignedRequest, payload: str) -> Iterator[str]:
    """The canonical requests that the caller may have signed."""
    headers, names = canonical_headers(request, signature.headers), ";".join(signature.headers)
    queries = list(_queries(signature, request))
    for path in canonical_paths(request.path, twice=signature.service != _S3):
        for query in queries:
            yield f"{request.method}\n{path}\n{query}\n{headers}\n{names}\n{payload}"


def _queries(signature: Signature, request: SignedRequest) -> Iterator[str]:
    pairs = split_query(request.raw_query)
    if signature.expires is None:
        yield from canonical_queries(pairs)
        return
    pairs = [(name, value) for name, value in pairs if name != "X-Amz-Signature"]
    yield from canonical_queries(pairs)
    if any(name == "X-Amz-Security-Token" for name, _ in pairs):  # some callers add it after they have signed
        yield from canonical_queries([(name, value) for name, value in pairs if name != "X-Amz-Security-Token"])


def _payload(signature: Signature, request: SignedRequest) -> str:
    """The payload as the canonical request has it."""
    stated = request.headers.get(chunks.CONTENT, "").strip()
    if signature.expires is not None and signature.service == _S3 and not _is_sha256(stated):
        return _UNSIGNED
    if stated == _UNSIGNED:
        return stated
    if chunks.is_chunked(request.headers):
        if stated not in (*chunks.SIGNED, chunks.UNSIGNED):
            raise _malformed(f"{stated[:60]} is not supported; use {chunks.SIGNED[0]}, or send the body in one piece")
        return stated
    actual = sha256(request.raw_body()).hexdigest()
    if stated and not compare_digest(stated.encode("utf-8", "replace"), actual.encode()):
        raise Unauthorized(f"{chunks.CONTENT} is not the SHA-256 of the body: sign the body that is sent.", "signature")
    return actual


@lru_cache(maxsize=64)  # it is the same for a day
def signing_key(secret: str, scope: tuple[str, str, str]) -> bytes:
    """The key that signs for a date, a region and a service."""
    key = f"AWS4{secret}".encode()
    for part in (*scope, "aws4_request"):
        key = hmac_digest(key, part.encode("utf-8", "surrogatepass"), "sha256")
    return key


def _signature(fields: dict[str, str], time: str, seconds: int | None, expires: int | None) -> Signature:
    """The signature of its parts, in a header or in a query string."""
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not fields.get(name):
            raise _malformed(f"{name} is missing")
    credential = fields["Credential"].split("/")
    if len(credential) != 5 or credential[-1] != "aws4_request":
        raise _malformed("Credential is not <key id>/<date>/<region>/<service>/aws4_request")
    if seconds is None:
        raise _malformed("its time is missing, or not of the form 20150830T123600Z")
    if credential[1] != time[:8]:
        raise _malformed("the date in Credential is not that of the signature")
    names = tuple(fields["SignedHeaders"].split(";"))
    if not all(name and _NAME.issuperset(name) for name in names):
        raise _malformed("SignedHeaders is not a list of lower-case names with semicolons")
    if not _is_sha256(fields["Signature"]):
        raise _malformed("Signature is not 64 hexadecimal digits")
    scope = (credential[1], credential[2], credential[3])
    return Signature(credential[0], scope, time, seconds, names, fields["Signature"], expires)


def _with_meaningful_headers(signature: Signature, request: SignedRequest) -> Signature:
    """``signature``; raises Unauthorized unless it covers the host and every header of AWS that has a meaning."""
    if "host" not in signature.headers:
        raise _malformed("the header host is not signed")
    for name in request.headers:
        if name.startswith(_MEANINGFUL) and name not in signature.headers and name not in _UNSIGNED_HEADERS:
            raise _malformed(f"the header {name[:60]} is not signed")
    return signature


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and _HEX.issuperset(text)


def _malformed(reason: str) -> Unauthorized:
    return Unauthorized(f"The AWS signature cannot be verified: {reason}.", "malformed")

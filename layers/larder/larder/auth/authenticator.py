"""From a request to its caller: finds the key, verifies it, and counts the request."""

import time
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal

from larder.auth import api_keys
from larder.auth.caller import Caller
from larder.auth.key_ring import KeyRing
from larder.auth.keys import Key, Secret, is_key_id
from larder.auth.request import SignedRequest, is_form, query_pairs
from larder.errors import Unauthorized

if TYPE_CHECKING:  # loaded at the first signature, and for the first key with a limit
    from larder.auth.signatures.alibaba import AcsSignature, RpcSignature
    from larder.auth.throttle import Throttle

_AWS: Final = "AWS4-"
_ALIBABA: Final = "ACS3-"
_SEND: Final = "send it in the header x-api-key, in Authorization: Bearer, or sign the request"
# An unknown key is compared with this, so that it takes as long as one with a wrong secret.
_NO_SECRET: Final = (Secret("0" * 64, plain="0" * 40),)


class Authenticator:
    """Verifies requests against the keys of one store. Thread-safe."""

    def __init__(self, ring: KeyRing, *, clock: Callable[[], float] = time.time) -> None:
        """Use the keys of ``ring``; ``clock`` is in seconds since the epoch."""
        self._ring = ring
        self._clock = clock
        self._throttle: Throttle | None = None
        self._lock = Lock()  # of the throttle, while it is made

    def authenticate(self, request: SignedRequest) -> Caller:
        """The caller of a request.

        A key in ``x-api-key`` or ``x-goog-api-key`` comes first: a client of AWS may sign with other credentials beside
        it. Whatever is found first decides; nothing else is tried.

        Raises:
            Unauthorized: there is no key, or it is not valid.
            TooManyRequests: the key's limit is reached.
            StoreError, InvalidKeys: the keys cannot be read.
        """
        key = self._verified(request)
        if key.rate is not None:
            self._limits().take(key.id, key.rate, key.burst)
        return Caller(key.id, key.scopes, key.default_model)

    def issue_token(self, key_id: str, secret: str) -> tuple[str, int]:
        """An access token for the key ``key_id``, and the seconds for which it is valid; raises Unauthorized."""
        key, found = self._matching(key_id, lambda candidate: candidate.matches(secret), "unknown")
        from larder.auth import tokens

        return tokens.issue(key, found, self._clock())

    def _limits(self) -> "Throttle":
        from larder.auth.throttle import Throttle

        with self._lock:
            self._throttle = self._throttle or Throttle()
            return self._throttle

    def _verified(self, request: SignedRequest) -> Key:
        headers = request.headers
        authorization = headers.get("authorization", "").strip()
        text = api_keys.in_headers(headers) or api_keys.in_authorization(authorization)
        if text is not None:
            return self._presented(text)
        if authorization.startswith(_AWS):
            return self._signed_for_aws(request, in_query=False)
        if authorization.startswith(_ALIBABA):
            from larder.auth.signatures import alibaba

            return self._signed_for_alibaba(alibaba.read_acs(request), request)
        return self._in_parameters(request)

    def _in_parameters(self, request: SignedRequest) -> Key:
        """The key of a request whose headers have none: its query string, or a signed form."""
        query = dict(query_pairs(request.raw_query))
        if "X-Amz-Algorithm" in query or "X-Amz-Signature" in query:
            return self._signed_for_aws(request, in_query=True)
        text = api_keys.in_query(query)
        if text is not None:
            return self._presented(text)
        if "AccessKeyId" in query or is_form(request):
            from larder.auth.signatures import alibaba

            if (signature := alibaba.read_rpc(request)) is not None:
                return self._signed_for_alibaba(signature, request)
        raise Unauthorized(f"This needs a key: {_SEND}. `larder keys add` makes one.", "missing")

    def _presented(self, text: str) -> Key:
        """The key of a text ``<id>.<secret>``, or of an access token."""
        key_id, dot, secret = text.partition(".")
        if "." in secret:
            return self._of_token(text)
        if not (dot and is_key_id(key_id)):
            raise Unauthorized(
                "The key has another form than <id>.<secret>: send it whole, as it was printed.", "unknown"
            )
        return self._matching(key_id, lambda candidate: candidate.matches(secret), "unknown")[0]

    def _of_token(self, text: str) -> Key:
        from larder.auth import tokens

        token = tokens.read(text)
        if token is None:
            raise Unauthorized("The key is neither a key nor an access token: send it whole.", "unknown")
        key, _ = self._matching(token.key, token.matches, "unknown")
        if self._clock() >= token.end:
            raise Unauthorized("The access token has expired: request a new one.", "expired")
        return key

    def _signed_for_aws(self, request: SignedRequest, *, in_query: bool) -> Key:
        from larder.auth.signatures import sigv4

        signature = sigv4.read_query(request) if in_query else sigv4.read_header(request)
        sigv4.check_time(signature, self._clock())
        return self._matching(
            signature.key, lambda secret: sigv4.verifies(signature, request, secret.plain or ""), "signature"
        )[0]

    def _signed_for_alibaba(self, signature: "RpcSignature | AcsSignature", request: SignedRequest) -> Key:
        from larder.auth.signatures import alibaba

        alibaba.check_time(signature, self._clock())
        return self._matching(
            signature.key, lambda secret: alibaba.verifies(signature, request, secret.plain or ""), "signature"
        )[0]

    def _matching(
        self, key_id: str, matches: Callable[[Secret], bool], wrong: Literal["unknown", "signature"]
    ) -> tuple[Key, Secret]:
        """The key and its secret that ``matches``; raises Unauthorized, for ``wrong`` if none does.

        Callers learn that a key exists, has expired or cannot sign only if they have its secret.
        """
        now = self._clock()
        key = self._ring.get(key_id) if is_key_id(key_id) else None
        valid = key.valid_secrets(now) if key is not None else []
        candidates = [secret for secret in valid if secret.plain or wrong != "signature"]
        secret = next((secret for secret in candidates or _NO_SECRET if matches(secret)), None)
        if key is None or not candidates:
            raise Unauthorized("The key is unknown or revoked, or it cannot sign: check its id and secret.", "unknown")
        if secret is None:
            if wrong == "signature":
                raise Unauthorized(
                    "The signature does not match the request: check the secret, and what changes the request on its "
                    "way.",
                    "signature",
                )
            raise Unauthorized("The key is unknown or revoked, or it cannot sign: check its id and secret.", "unknown")
        if key.has_expired(now):
            raise Unauthorized("The key has expired: ask its issuer for a new one.", "expired")
        return key, secret

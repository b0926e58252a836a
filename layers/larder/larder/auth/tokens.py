"""Access tokens, as Baidu's clients get and send them: ``<key id>.<expiry>.<MAC>``.

A token is not stored anywhere: it is an HMAC over the key's id and the time at which it ends, keyed by the stored hash
of the secret. It ends with the secret: revoking or rotating the key refuses it too.
"""

from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import Final, NamedTuple

from larder.auth.keys import Key, Secret, is_key_id

TOKEN_SECONDS: Final = 2_592_000  # 30 days, as Baidu's
_HEX: Final = frozenset("0123456789abcdef")


class AccessToken(NamedTuple):
    """A token as a request states it.

    Attributes:
        key: The id of the key.
        end: When it ends, in seconds since the epoch.
        mac: Its MAC, in hex.
    """

    key: str
    end: int
    mac: str

    def matches(self, secret: Secret) -> bool:
        """Whether it is a token of this secret, in a time that does not depend on where the MACs differ."""
        return compare_digest(_mac(self.key, self.end, secret), self.mac)


def read(text: str) -> AccessToken | None:
    """The token that a text is, or None."""
    key, _, rest = text.partition(".")
    end, _, mac = rest.partition(".")
    if (
        is_key_id(key)
        and end.isascii()
        and end.isdigit()
        and len(end) <= 12
        and len(mac) == 64
        and _HEX.issuperset(mac)
    ):
        return AccessToken(key, int(end), mac)
    return None


def issue(key: Key, secret: Secret, now: float) -> tuple[str, int]:
    """A token of ``key``, and the seconds for which it is valid: no longer than the key and the secret."""
    ends = [int(now) + TOKEN_SECONDS, *(end for end in (key.expires, secret.until) if end is not None)]
    end = min(ends)
    return f"{key.id}.{end}.{_mac(key.id, end, secret)}", end - int(now)


def _mac(key_id: str, end: int, secret: Secret) -> str:
    text = f"larder access token\n{key_id}\n{end}"
    return hmac_digest(bytes.fromhex(secret.sha256), text.encode(), "sha256").hex()

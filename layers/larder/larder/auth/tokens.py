"""Access tokens, as Baidu's clients get and send them: ``<key id>.<expiry>.<MAC>``.

A token is not stored anywhere: it is an HMAC over the key's id and the time at which it ends, keyed by the stored hash
of the secret. It ends with the secret: revoking or rotating the key refuses it too.
"""

import re
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import Final

from larder.auth.keys import ID, Key, Secret

TOKEN_SECONDS: Final = 2_592_000  # 30 days, as Baidu's
TOKEN = re.compile(rf"({ID})\.([0-9]{{1,12}})\.([0-9a-f]{{64}})")


def issue(key: Key, secret: Secret, now: float) -> tuple[str, int]:
    """A token of ``key``, and the seconds for which it is valid: no longer than the key and the secret."""
    ends = [int(now) + TOKEN_SECONDS, *(end for end in (key.expires, secret.until) if end is not None)]
    end = min(ends)
    return f"{key.id}.{end}.{_mac(key.id, end, secret)}", end - int(now)


def matches(key_id: str, end: int, mac: str, secret: Secret) -> bool:
    """Whether ``mac`` is that of a token of this secret, in a time that does not depend on where it differs."""
    return compare_digest(_mac(key_id, end, secret), mac)


def _mac(key_id: str, end: int, secret: Secret) -> str:
    text = f"larder access token\n{key_id}\n{end}"
    return hmac_digest(bytes.fromhex(secret.sha256), text.encode(), "sha256").hex()

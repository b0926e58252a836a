"""New keys and secrets."""

import math
import secrets
import string
from collections.abc import Sequence
from typing import Final

from larder.auth.keys import Key, Secret, digest
from larder.auth.scopes import Scope

_ID: Final = string.ascii_uppercase + string.digits
_SECRET: Final = string.ascii_letters + string.digits


def new_key(
    scopes: Sequence[Scope],
    *,
    now: int,
    description: str = "",
    expires: int | None = None,
    signs: bool = False,
    rate: float | None = None,
    burst: int | None = None,
    default_model: str | None = None,
) -> tuple[Key, str]:
    """A key and its secret. The arguments are the attributes of ``Key``; ``signs`` keeps the secret in it."""
    secret, plain = new_secret(signs=signs)
    key = Key(
        id="LK" + "".join(secrets.choice(_ID) for _ in range(18)),
        secrets=(secret,),
        scopes=tuple(scopes),
        created=now,
        expires=expires,
        description=description,
        rate=rate,
        burst=burst if burst is not None else max(1, math.ceil(rate or 1)),
        default_model=default_model,
    )
    return key, plain


def new_secret(*, signs: bool) -> tuple[Secret, str]:
    """A secret as a key holds it, and the secret itself."""
    plain = "".join(secrets.choice(_SECRET) for _ in range(40))
    return Secret(digest(plain), plain if signs else None), plain

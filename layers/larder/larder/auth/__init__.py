"""Who sent a request, and what they may do: API keys, access tokens, and signatures of AWS and Alibaba Cloud.

All keys of a deployment are one document of its store, ``keys/keys.json``. A function keeps it in memory and renews it
with one conditional read every 15 seconds, so that verifying a request costs no round trip and a revoked key stops
working everywhere within 30 seconds. Nothing here imports a library outside the standard one.

Every cold start loads this package, so what most requests do not need is imported where it is used, and values are
named tuples: Python takes a millisecond to define a frozen dataclass with slots.
"""

from larder.auth.authenticator import Authenticator
from larder.auth.caller import ANYONE, Caller
from larder.auth.key_ring import KeyRing
from larder.auth.scopes import Scope, parse_scope

__all__ = ["ANYONE", "Authenticator", "Caller", "KeyRing", "Scope", "parse_scope"]

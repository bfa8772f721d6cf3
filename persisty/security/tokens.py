"""JSON Web Tokens (RFC 7519): a token becomes a `Caller`, a `Caller` becomes a token.

PyJWT does the cryptography and is imported when the first token is seen. Everything that is wrong with a token is one error,
`Unauthenticated`, whose message is from a table here: nothing of the token is repeated.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

import msgspec

from ..errors import Fault, InvalidInput, Unauthenticated
from .caller import Caller
from .issuers import Issuer
from .keys import Key

MAX_TOKEN = 8192
"""Characters of a token. Servers take headers of about as many."""
SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
"""A token in compact form (RFC 7515, 7.1): three parts, of which `none` leaves the last empty."""
LIFETIME = 3600.0
"""Seconds for which a token is good unless somebody says otherwise."""
RESERVED = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope"})
"""Claims that are made of other things than a caller's claims."""
INVALID = "invalid_token"
"""RFC 6750, 3.1: what a refused token is called in `WWW-Authenticate`."""

MALFORMED = "The token is malformed"
REASONS: dict[str, str] = {
    "ExpiredSignatureError": "The token has expired",
    "ImmatureSignatureError": "The token is not valid yet",
    "InvalidSignatureError": "The token is not signed with the key of its issuer",
    "InvalidAlgorithmError": "The token is not signed by the algorithm of its issuer's key",
    "MissingRequiredClaimError": "The token does not say when it expires",
}
"""PyJWT's error → what it is told as; any other is `MALFORMED`."""


def refused(why: str) -> Unauthenticated:
    """The error of credentials that do not count."""
    return Unauthenticated(why, error=INVALID)


def verified(token: str, issuers: Mapping[str, Issuer], leeway: float) -> tuple[Issuer, dict[str, Any]]:
    """The issuer of a token, and its claims, once its signature, times, issuer and audience are right.

    `Unauthenticated` if anything is not; `BackendUnavailable` while the issuer's keys cannot be had.
    """
    if len(token) > MAX_TOKEN:
        raise refused(f"The token has more than {MAX_TOKEN} characters")
    if SHAPE.fullmatch(token) is None:
        raise refused(MALFORMED)
    jwt = import_module("jwt")
    try:
        unverified = jwt.decode_complete(token, options={"verify_signature": False})
        named = unverified["payload"].get("iss")
        issuer = issuers.get(named) if isinstance(named, str) else None
        if issuer is None:
            raise refused("The token is of no issuer that is trusted here")
        keys = issuer.keys.find(unverified["header"].get("kid"))
        if not keys:
            raise refused("The token names a key that its issuer does not have")
        claims = _decoded(jwt, token, keys, issuer.url, leeway)
    except jwt.PyJWTError as error:
        raise refused(REASONS.get(type(error).__name__, MALFORMED)) from None
    if not issuer.takes(claims):
        raise refused("The token is meant for somebody else")
    if not _sound(claims):
        raise refused(MALFORMED)
    return issuer, claims


def _decoded(jwt: Any, token: str, keys: tuple[Key, ...], url: str, leeway: float) -> dict[str, Any]:
    """The claims as the one of the keys that signed them proves them."""
    options = {"require": ["exp"], "verify_aud": False}  # the issuer knows in which claims the audience is
    for key in keys[:-1]:
        try:
            return dict(jwt.decode(token, key.verifying, [key.algorithm], options, issuer=url, leeway=leeway))
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
            pass
    return dict(jwt.decode(token, keys[-1].verifying, [keys[-1].algorithm], options, issuer=url, leeway=leeway))


def _sound(claims: dict[str, Any]) -> bool:
    """Whether the claims are what they have to be (PyJWT takes a time as text, too), and text that can be kept."""
    times = (claims[name] for name in ("exp", "nbf", "iat") if name in claims)
    try:
        msgspec.json.encode(claims)
    except (UnicodeEncodeError, RecursionError):
        return False
    return claims.get("sub") != "" and all(type(one) in (int, float) for one in times)


def caller_of(issuer: Issuer, claims: dict[str, Any]) -> Caller:
    """Who a verified token says is calling. A token without subject gives scopes to nobody in particular."""
    return Caller(claims.get("sub"), issuer.scopes(claims), MappingProxyType(claims))


def signed(
    caller: Caller,
    issuer: Issuer,
    *,
    lifetime: float = LIFETIME,
    not_before: float | None = None,
    now: float | None = None,
) -> str:
    """A token that says what the caller is, good for `lifetime` seconds. Of its claims those are left out that the token says itself.

    `InvalidInput` for claims that JSON has no form for. `InvalidDeclaration` if there is no key to sign with.
    """
    key = issuer.keys.signing()
    moment = time.time() if now is None else now
    audiences = sorted(issuer.audiences)
    own: dict[str, Any] = {
        "iss": issuer.url,
        "sub": caller.subject,
        "aud": audiences[0] if len(audiences) == 1 else audiences or None,
        "iat": int(moment),
        "nbf": None if not_before is None else int(not_before),
        "exp": int(moment + lifetime),
        "scope": " ".join(sorted(caller.scopes)) or None,
    }
    claims = {name: value for name, value in caller.claims.items() if name not in RESERVED}
    try:
        told = msgspec.json.decode(
            msgspec.json.encode({**claims, **{name: value for name, value in own.items() if value is not None}})
        )
        headers = {"kid": key.kid} if key.kid else None
        return str(import_module("jwt").encode(told, key.signing, key.algorithm, headers))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput("Not claims of a token", faults=[Fault("/claims", "Not JSON")]) from error

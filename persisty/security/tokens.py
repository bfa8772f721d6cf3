"""JSON Web Tokens (RFC 7519): verify a token, and sign one for a `Caller`.

PyJWT does the cryptography and is imported with the first token. Every fault of a token raises `Unauthenticated`. Its message comes from
a table here and never repeats the token.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from math import isfinite
from types import MappingProxyType
from typing import Any

import msgspec

from ..drivers import driver
from ..errors import Fault, InvalidInput, Unauthenticated
from ..model.nesting import too_deep
from .caller import Caller
from .issuers import Issuer
from .keys import Key

MAX_TOKEN = 8192
"""The most characters of a token. Servers limit headers to about the same size."""
SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
"""A token in compact form (RFC 7515, 7.1): three parts. With the algorithm `none` the last is empty."""
LIFETIME = 3600.0
"""Default lifetime of a token, in seconds."""
RESERVED = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope"})
"""Claims that persisty sets itself. A caller's claims with these names are left out."""
INVALID = "invalid_token"
"""The `error` of a rejected token in `WWW-Authenticate` (RFC 6750, 3.1)."""

MALFORMED, UNTRUSTED = "The token is malformed", "The token is from an issuer that is not trusted"
REASONS: dict[str, str] = {
    "ExpiredSignatureError": "The token has expired",
    "ImmatureSignatureError": "The token is not valid yet",
    "InvalidSignatureError": "The token is not signed with the key of its issuer",
    "InvalidAlgorithmError": "The token is not signed with the algorithm of its issuer's key",
    "MissingRequiredClaimError": "The token has no expiry",
}
"""PyJWT's error → the message; any other error is `MALFORMED`."""


def invalid_token(message: str) -> Unauthenticated:
    """Return the error for credentials that are not valid."""
    return Unauthenticated(message, error=INVALID)


def verify(token: str, issuers: Mapping[str, Issuer], leeway: float) -> tuple[Issuer, dict[str, Any]]:
    """Verify signature, times, issuer and audience of a token. Return its issuer and claims.

    Raises `Unauthenticated` if one of them is wrong, and `BackendUnavailable` while the issuer's keys cannot be loaded.
    """
    if len(token) > MAX_TOKEN:
        raise invalid_token(f"The token has more than {MAX_TOKEN} characters")
    if SHAPE.fullmatch(token) is None:
        raise invalid_token(MALFORMED)
    if not issuers:  # a deployment that trusts no issuer does not have the library
        raise invalid_token(UNTRUSTED)
    jwt = driver("jwt")
    try:
        unverified = jwt.decode_complete(token, options={"verify_signature": False})
        if not _sound(unverified["payload"]):
            raise invalid_token(MALFORMED)
        named = unverified["payload"].get("iss")
        issuer = issuers.get(named) if isinstance(named, str) else None
        if issuer is None:
            raise invalid_token(UNTRUSTED)
        keys = issuer.keys.find(unverified["header"].get("kid"))
        if not keys:
            raise invalid_token("The token names a key that its issuer does not have")
        claims = _decoded(jwt, token, keys, issuer.url, leeway)
    except jwt.PyJWTError as error:
        raise invalid_token(REASONS.get(type(error).__name__, MALFORMED)) from None
    if not issuer.accepts(claims):
        raise invalid_token("The token is for another audience")
    if claims.get("sub") == "":
        raise invalid_token(MALFORMED)
    return issuer, claims


def _decoded(jwt: Any, token: str, keys: tuple[Key, ...], url: str, leeway: float) -> dict[str, Any]:
    """Return the claims, verified with the first of the keys that fits."""
    # `Issuer.accepts` checks the audience, because kinds of issuers use different claims
    options = {"require": ["exp"], "verify_aud": False}
    for key in keys[:-1]:
        try:
            return dict(jwt.decode(token, key.verifying, [key.algorithm], options, issuer=url, leeway=leeway))
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
            pass
    return dict(jwt.decode(token, keys[-1].verifying, [keys[-1].algorithm], options, issuer=url, leeway=leeway))


def _sound(claims: dict[str, Any]) -> bool:
    """Return whether times are finite numbers (PyJWT also accepts texts), and whether all claims can be encoded as JSON."""
    times = (claims[name] for name in ("exp", "nbf", "iat") if name in claims)
    if too_deep(claims) or not all(type(one) is int or (type(one) is float and isfinite(one)) for one in times):
        return False
    try:
        msgspec.json.encode(claims)
    except UnicodeEncodeError:
        return False
    return True


def caller_of(issuer: Issuer, claims: dict[str, Any]) -> Caller:
    """Return the caller of verified claims. Without `sub` it is an anonymous caller with scopes."""
    return Caller(claims.get("sub"), issuer.scopes(claims), MappingProxyType(claims))


def sign(
    caller: Caller,
    issuer: Issuer,
    *,
    lifetime: float = LIFETIME,
    not_before: float | None = None,
    now: float | None = None,
) -> str:
    """Sign a token for the caller that expires after `lifetime` seconds. The caller's claims in `RESERVED` are left out.

    Raises `InvalidInput` for claims that JSON cannot represent, and `InvalidDeclaration` if there is no key to sign with.
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
        payload = msgspec.json.decode(
            msgspec.json.encode({**claims, **{name: value for name, value in own.items() if value is not None}})
        )
        headers = {"kid": key.kid} if key.kid else None
        return str(driver("jwt").encode(payload, key.signing, key.algorithm, headers))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput("These claims cannot be put in a token", faults=[Fault("/claims", "Not JSON")]) from error

"""AppSync's Lambda authorizer: identifies the caller of a token with the authenticator that REST uses.

The claims are passed on unchanged, as one text, from which `callers.py` makes the same caller as REST does from the token. AppSync caches the result
no longer than the token is valid. The authorizer denies no fields: the rules decide, in the function that answers.

Source: "AWS_LAMBDA authorization" in the AWS AppSync Developer Guide.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ....errors import Unauthenticated
from ....security.authenticator import Authenticator
from .callers import CLAIMS

CACHED = 300
"""Maximum seconds for which AppSync caches a result: as long as a verified token is cached."""
SCHEME = "bearer "


def verdict(
    authenticator: Authenticator, event: Mapping[str, Any], clock: Callable[[], float] = time.time
) -> dict[str, Any]:
    """Return the authorizer's result for a token. Raises an error that prevents verification, such as an unreachable issuer; AppSync then denies
    access."""
    given = event.get("authorizationToken")
    token = given if isinstance(given, str) else ""
    if token[: len(SCHEME)].lower() == SCHEME:  # clients of AppSync send the token with or without the scheme
        token = token[len(SCHEME) :].strip(" ")
    try:
        caller = authenticator.caller(token)
    except Unauthenticated:
        return {"isAuthorized": False}
    claims = dict(caller.claims)
    left = int(claims["exp"] - clock())
    return {
        "isAuthorized": True,
        "resolverContext": {CLAIMS: msgspec.json.encode(claims).decode()},
        "deniedFields": [],
        "ttlOverride": max(0, min(CACHED, left)),
    }

"""AppSync's Lambda authorizer: what it is told of a token, which is whose the authenticator says it is, as for REST.

The claims go on as they are, in one text: `callers.py` makes the caller of them that REST would make of the token. AppSync keeps the
answer no longer than the token lasts. It denies no fields: what a caller may do is the rules' to say, in the function that answers.

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

KEPT = 300
"""Seconds that AppSync keeps an answer, at most: as long as a verified token is remembered."""
SCHEME = "bearer "


def verdict(
    authenticator: Authenticator, event: Mapping[str, Any], clock: Callable[[], float] = time.time
) -> dict[str, Any]:
    """Return AppSync's answer for a token. Raise an error that prevents verification, such as an unreachable issuer: access is denied."""
    given = event.get("authorizationToken")
    token = given if isinstance(given, str) else ""
    if token[: len(SCHEME)].lower() == SCHEME:  # REST wants the scheme; AppSync's clients send either
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
        "ttlOverride": max(0, min(KEPT, left)),
    }

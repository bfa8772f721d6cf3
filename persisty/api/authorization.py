"""Conversions between servey's `Authorization`, persisty's `Caller` and a token.

This module imports servey, so only custom actions and servey's hosts import it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from servey.security.authorization import Authorization, AuthorizationError
from servey.security.authorizer.authorizer_abc import AuthorizerABC

from ..errors import Unauthenticated
from ..security.authenticator import Authenticator
from ..security.caller import ANONYMOUS, Caller
from ..security.tokens import LIFETIME

SPANS = (("not_before", "nbf"), ("expire_at", "exp"))
"""Field of an `Authorization` → the claim with the same time, in seconds since 1970."""
LAST = datetime(9999, 12, 30).timestamp()
"""The last time that a `datetime` can represent in every time zone. A token may have later ones."""


@dataclass(frozen=True)
class ClaimedAuthorization(Authorization):  # type: ignore[misc]  # servey has no types
    """An `Authorization` with all claims of the token."""

    claims: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


def authorization_of(caller: Caller) -> Authorization:
    """Return the `Authorization` of a caller, for servey's access controls and actions."""
    spans = {name: _moment(caller.claims.get(claim)) for name, claim in SPANS}
    return ClaimedAuthorization(subject_id=caller.subject, scopes=caller.scopes, claims=dict(caller.claims), **spans)


def caller_of(authorization: Authorization | None) -> Caller:
    """Return the caller of an `Authorization`. None is the anonymous caller."""
    if authorization is None:
        return ANONYMOUS
    claims = dict(getattr(authorization, "claims", {}))
    for name, claim in SPANS:
        moment = getattr(authorization, name)
        if moment is not None:
            claims[claim] = int(moment.timestamp())
    return Caller(authorization.subject_id, frozenset(authorization.scopes), claims)


class TokenAuthorizer(AuthorizerABC):  # type: ignore[misc]
    """An authorizer of servey that reads the app's tokens."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def authorize(self, token: str) -> Authorization:
        """Return the authorization of a token. Raise servey's `AuthorizationError` for an invalid token."""
        try:
            return authorization_of(self._authenticator.caller(token))
        except Unauthenticated as error:
            raise AuthorizationError(error.message) from error

    def encode(self, authorization: Authorization) -> str:
        """Return a token of persisty. It expires with the authorization, or after the default lifetime if that does not expire."""
        until, since = authorization.expire_at, authorization.not_before
        return self._authenticator.token(
            caller_of(authorization),
            lifetime=LIFETIME if until is None else until.timestamp() - time.time(),
            not_before=None if since is None else since.timestamp(),
        )


def _moment(seconds: Any) -> datetime | None:
    """Return a time as servey compares it: local, without a zone. None if it is not a number."""
    return datetime.fromtimestamp(min(max(seconds, 0), LAST)) if isinstance(seconds, int | float) else None

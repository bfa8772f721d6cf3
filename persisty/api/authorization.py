"""servey's `Authorization`, persisty's `Caller` and a token: the same caller, each way.

Imported only where servey is there anyway: by custom actions, and by servey's own hosts.
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
"""Field of an `Authorization` → the claim that says it, in seconds since 1970."""
LAST = datetime(9999, 12, 30).timestamp()
"""The last time that a `datetime` has, in whatever zone; tokens may say later ones."""


@dataclass(frozen=True)
class ClaimedAuthorization(Authorization):  # type: ignore[misc]  # servey has no types
    """An `Authorization` that keeps everything the token said."""

    claims: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


def authorization_of(caller: Caller) -> Authorization:
    """The caller as servey's access controls and actions take it."""
    spans = {name: _moment(caller.claims.get(claim)) for name, claim in SPANS}
    return ClaimedAuthorization(subject_id=caller.subject, scopes=caller.scopes, claims=dict(caller.claims), **spans)


def caller_of(authorization: Authorization | None) -> Caller:
    """The caller that an `Authorization` stands for; None is nobody in particular."""
    if authorization is None:
        return ANONYMOUS
    claims = dict(getattr(authorization, "claims", {}))
    for name, claim in SPANS:
        moment = getattr(authorization, name)
        if moment is not None:
            claims[claim] = int(moment.timestamp())
    return Caller(authorization.subject_id, frozenset(authorization.scopes), claims)


class TokenAuthorizer(AuthorizerABC):  # type: ignore[misc]
    """servey's authorizer over the tokens that count here."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def authorize(self, token: str) -> Authorization:
        """Return the authorization of a token. Raise servey's `AuthorizationError` for an invalid token."""
        try:
            return authorization_of(self._authenticator.caller(token))
        except Unauthenticated as error:
            raise AuthorizationError(error.message) from error

    def encode(self, authorization: Authorization) -> str:
        """A token of persisty's own, good until the authorization expires, or for as long as tokens are if it does not."""
        until, since = authorization.expire_at, authorization.not_before
        return self._authenticator.token(
            caller_of(authorization),
            lifetime=LIFETIME if until is None else until.timestamp() - time.time(),
            not_before=None if since is None else since.timestamp(),
        )


def _moment(seconds: Any) -> datetime | None:
    """A time as servey compares it: local, without a zone."""
    return datetime.fromtimestamp(min(max(seconds, 0), LAST)) if isinstance(seconds, int | float) else None

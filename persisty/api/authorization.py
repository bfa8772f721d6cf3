"""servey's `Authorization` and persisty's `Caller`: the same caller, each way.

Imported only where servey is there anyway: by custom actions, and by servey's own hosts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from servey.security.authorization import Authorization

from ..security.caller import ANONYMOUS, Caller

SPANS = (("not_before", "nbf"), ("expire_at", "exp"))
"""Field of an `Authorization` → the claim that says it, in seconds since 1970."""


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


def _moment(seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None

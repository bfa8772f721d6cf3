"""The caller of an AppSync event. AppSync verifies some callers itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ....security.authenticator import Authenticator
from ....security.caller import ANONYMOUS, Caller

CLAIMS = "claims"
"""The member of `resolverContext` in which persisty's own Lambda authorizer puts the claims, as JSON."""


def caller_of_event(authenticator: Authenticator, event: Mapping[str, Any]) -> Caller:
    """Return the caller of an AppSync event.

    If AppSync has verified a token, `identity` has its claims. persisty's own Lambda authorizer puts the claims into `resolverContext`; another
    authorizer puts the caller there. A caller that AppSync authenticates by IAM is anonymous here. With an API key, AppSync has no caller, and a token
    may be in the header.
    """
    identity = event.get("identity")
    if not isinstance(identity, Mapping):
        request = event.get("request")
        headers = request.get("headers") if isinstance(request, Mapping) else None
        given = headers.get("authorization") if isinstance(headers, Mapping) else None
        return authenticator.authenticate({"authorization": given} if isinstance(given, str) else {})
    context = identity.get("resolverContext")
    claims = identity.get("claims") if context is None else _claims(context)
    if isinstance(claims, Mapping):
        return authenticator.caller_of_claims(claims)
    return authenticator.caller_of_authorizer(context) if isinstance(context, Mapping) else ANONYMOUS


def _claims(context: Any) -> Any:
    """Return the claims that persisty's own authorizer has verified. None if another authorizer made the context."""
    text = context.get(CLAIMS) if isinstance(context, Mapping) else None
    if not isinstance(text, str):
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:  # another authorizer's claim of this name
        return None

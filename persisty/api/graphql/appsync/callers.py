"""Who is calling in an event of AppSync, which knows some callers itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ....security.authenticator import Authenticator
from ....security.caller import ANONYMOUS, Caller

CLAIMS = "claims"
"""The member of `resolverContext` in which persisty's own Lambda authorizer tells the claims, as JSON."""


def caller_of_event(authenticator: Authenticator, event: Mapping[str, Any]) -> Caller:
    """Who is calling in an event of AppSync.

    Where AppSync itself has checked a token, `identity` has its claims. So has what persisty's own Lambda authorizer puts into
    `resolverContext`; another authorizer says there who is calling. Of a caller whom AppSync knows otherwise (by IAM) persisty knows
    nothing. With an API key AppSync knows nobody, and a token may come in the header.
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
    """The claims of a token that persisty's authorizer has verified, if it was that one."""
    text = context.get(CLAIMS) if isinstance(context, Mapping) else None
    if not isinstance(text, str):
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:  # another authorizer's claim of this name
        return None

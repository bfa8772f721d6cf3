"""Who is calling in an event of AppSync, which knows some callers itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...security.authenticator import Authenticator
from ...security.caller import ANONYMOUS, Caller


def caller_of_event(authenticator: Authenticator, event: Mapping[str, Any]) -> Caller:
    """Who is calling in an event of AppSync.

    Where AppSync itself has checked a token, `identity` has its claims (of a Lambda authorizer: what that function put into
    `resolverContext`); of a caller whom AppSync knows otherwise (by IAM) persisty knows nothing. With an API key AppSync knows nobody,
    and a token may come in the header.
    """
    identity = event.get("identity")
    if not isinstance(identity, Mapping):
        request = event.get("request")
        headers = request.get("headers") if isinstance(request, Mapping) else None
        given = headers.get("authorization") if isinstance(headers, Mapping) else None
        return authenticator.authenticated({"authorization": given} if isinstance(given, str) else {})
    claims = identity.get("claims")
    if isinstance(claims, Mapping):
        return authenticator.vouched(claims)
    context = identity.get("resolverContext")
    return authenticator.attested(context) if isinstance(context, Mapping) else ANONYMOUS

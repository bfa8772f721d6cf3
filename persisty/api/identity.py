"""Who is calling, before a surface hears of it: credentials are looked at here, for every host alike.

A request whose credentials do not count is answered with 401 and reaches no surface, so that nothing is executed for it; a request
without any is nobody's, and what it may not do says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from ..security.authenticator import Authenticator
from ..security.caller import ANONYMOUS, Caller
from .http import Request, Response
from .rest import refusal

Handle = Callable[[Request], Response]


class Identified:
    """A surface that is told who is calling. Never raises if the surface does not."""

    def __init__(self, handle: Handle, authenticator: Authenticator) -> None:
        self._handle, self._authenticator = handle, authenticator

    def handle(self, request: Request) -> Response:
        """The surface's response, or the refusal of the credentials."""
        try:
            caller = self._authenticator.authenticated(request.headers)
        except Exception as error:
            return refusal(error)
        return self._handle(request if caller is ANONYMOUS else replace(request, caller=caller))


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

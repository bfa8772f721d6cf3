"""Who is calling, before a surface hears of it: credentials are looked at here, for every host alike.

A request whose credentials do not count is answered with 401 and reaches no surface, so that nothing is executed for it; a request
without any is nobody's, and what it may not do says so.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from ...security.authenticator import Authenticator
from ...security.caller import ANONYMOUS
from .messages import Request, Response
from .problem import refusal

Handle = Callable[[Request], Response]


class Identified:
    """A surface that is told who is calling. Never raises if the surface does not."""

    def __init__(self, handle: Handle, authenticator: Authenticator) -> None:
        self._handle, self._authenticator = handle, authenticator

    def handle(self, request: Request) -> Response:
        """The surface's response, or the refusal of the credentials."""
        try:
            caller = self._authenticator.authenticate(request.headers)
        except Exception as error:
            return refusal(error)
        return self._handle(request if caller is ANONYMOUS else replace(request, caller=caller))

"""Authenticate a request before a surface sees it, in the same way for every host.

A request with invalid credentials is answered with 401 and reaches no surface, so nothing is executed. A request without credentials is anonymous.
If an anonymous caller lacks access, the response is 401 instead of 403.
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
    """A surface behind authentication. Never raises if the surface does not."""

    def __init__(self, handle: Handle, authenticator: Authenticator) -> None:
        self._handle, self._authenticator = handle, authenticator

    def handle(self, request: Request) -> Response:
        """Return the surface's response, or the rejection of the credentials."""
        try:
            caller = self._authenticator.authenticate(request.headers)
        except Exception as error:
            return refusal(error)
        return self._handle(request if caller is ANONYMOUS else replace(request, caller=caller))

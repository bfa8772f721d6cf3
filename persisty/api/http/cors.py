"""Cross-origin requests (the Fetch standard, "CORS protocol"): which pages of other origins may call a surface from a browser.

This runs before everything else, authentication included, because a browser sends its preflight without credentials. Responses never allow
cookies. Credentials are tokens, which a page puts into `Authorization` itself, so `*` reveals nothing that a program without a browser could
not get.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec.structs import replace

from ...errors import Fault, InvalidDeclaration
from .authentication import Handle
from .messages import Request, Response, varying

EVERY = "*"
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
"""Methods that a page may use, if the route has them."""
REQUEST_HEADERS = (
    "Accept",
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Unmodified-Since",
    "X-Api-Key",
    "X-Request-Id",
)
"""Headers that persisty reads. A page of an allowed origin may send any others too, such as `traceparent` and `baggage` of tracing libraries."""
MAX_REQUESTED = 100
"""Other headers that the response to one preflight allows."""
EXPOSED = (
    "Allow",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
)
"""Response headers that a page may read, in addition to those that it always may."""
MAX_AGE = 7200
"""Seconds for which a browser may cache the response to a preflight. Only Firefox allows more."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._~-]+|\[[0-9a-f:]+\])(?::\d{1,5})?", re.ASCII)
PREFLIGHT = {
    "access-control-allow-methods": ", ".join(METHODS),
    "access-control-allow-headers": ", ".join(REQUEST_HEADERS),
    "access-control-max-age": str(MAX_AGE),
}
EXPOSE = {"access-control-expose-headers": ", ".join(EXPOSED)}


class CrossOrigin:
    """A surface that pages of other origins may call. Never raises if the surface does not."""

    def __init__(self, handle: Handle, origins: frozenset[str]) -> None:
        self._handle, self._origins = handle, origins

    def handle(self, request: Request) -> Response:
        """Return the surface's response with the headers for the browser. Answer a preflight here, without the surface."""
        headers = request.headers
        if (
            request.method == "OPTIONS"
            and "access-control-request-method" in headers
            and (allowed := self._allowed(headers))
        ):
            return self._varying(Response(204, {**PREFLIGHT, **allowed, **_other_headers(headers)}))
        return self.with_headers(headers, self._handle(request))

    def with_headers(self, headers: Mapping[str, str], response: Response) -> Response:
        """Return the response to a request with these headers, with the headers that let the browser show it to the page."""
        allowed = self._allowed(headers)
        if allowed:
            response = replace(response, headers={**response.headers, **EXPOSE, **allowed})
        return self._varying(response)

    def _allowed(self, headers: Mapping[str, str]) -> dict[str, str]:
        origin = headers.get("origin")
        if origin is None:
            return {}
        if EVERY in self._origins:
            return {"access-control-allow-origin": EVERY}
        return {"access-control-allow-origin": origin} if origin in self._origins else {}

    def _varying(self, response: Response) -> Response:
        """Return the response with `Vary: origin`, unless every origin is allowed: a cache must not serve one origin's response to another."""
        if EVERY in self._origins:
            return response
        return replace(response, headers=varying(response.headers, "origin"))


def _other_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a preflight's response that allow requested headers which persisty does not read."""
    names = (one.strip(" \t").lower() for one in headers.get(REQUESTED, "").split(","))
    others = [name for name in dict.fromkeys(names) if name not in _READ and _TOKEN.fullmatch(name)][:MAX_REQUESTED]
    return {"access-control-allow-headers": ", ".join((*REQUEST_HEADERS, *others)), "vary": REQUESTED} if others else {}


REQUESTED = "access-control-request-headers"
_READ = frozenset(map(str.lower, REQUEST_HEADERS))
_TOKEN = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,128}", re.ASCII)
"""The name of a header (RFC 9110, 5.6.2), in lower case."""


def cross_origin(handle: Handle, configured: str | None) -> Handle:
    """Return the surface, callable by pages of the configured origins. Without origins it is unchanged."""
    origins = origins_of(configured)
    return CrossOrigin(handle, origins).handle if origins else handle


def origins_of(configured: str | None) -> frozenset[str]:
    """Parse `*` or origins separated by spaces. Raises `InvalidDeclaration` for a text that is not an origin."""
    origins = frozenset((configured or "").split())
    faults = [
        Fault("/cors_origins", "Not an origin", "https://example.com, without a path", one[:64])
        for one in sorted(origins - {EVERY})
        if not _ORIGIN.fullmatch(one)
    ]
    if EVERY in origins and len(origins) > 1:
        faults.append(Fault("/cors_origins", "`*` allows every origin and cannot be combined with others"))
    if faults:
        raise InvalidDeclaration("PERSISTY_CORS_ORIGINS is not valid", faults=faults)
    return origins

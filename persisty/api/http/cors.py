"""Cross-origin requests (the Fetch standard, "CORS protocol"): which pages of other origins may call a surface from a browser.

This runs before everything else, authentication included, because a browser asks whether it may send credentials before it does. Responses never ask
browsers to send cookies. Credentials are tokens, which a page puts into `Authorization` itself, so `*` reveals nothing that a program without a
browser could not get.
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
ASKED = (
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
MAX_ASKED = 100
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
"""Headers of answers that a page may read, besides those that it always may."""
MAX_AGE = 7200
"""Seconds for which a browser need not ask again: no browser keeps it for longer, but one."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._~-]+|\[[0-9a-f:]+\])(?::\d{1,5})?", re.ASCII)
PREFLIGHT = {
    "access-control-allow-methods": ", ".join(METHODS),
    "access-control-allow-headers": ", ".join(ASKED),
    "access-control-max-age": str(MAX_AGE),
}
TOLD = {"access-control-expose-headers": ", ".join(EXPOSED)}


class CrossOrigin:
    """A surface that pages of other origins may call. Never raises if the surface does not."""

    def __init__(self, handle: Handle, origins: frozenset[str]) -> None:
        self._handle, self._origins = handle, origins

    def handle(self, request: Request) -> Response:
        """The surface's response with what a browser has to know, or the answer to its preflight, which the surface never sees."""
        headers = request.headers
        if (
            request.method == "OPTIONS"
            and "access-control-request-method" in headers
            and (allowed := self._allowed(headers))
        ):
            return self._varying(Response(204, {**PREFLIGHT, **allowed, **_also_asked(headers)}))
        return self.told(headers, self._handle(request))

    def told(self, headers: Mapping[str, str], response: Response) -> Response:
        """A response to a request with these headers, for its browser to let the page see it."""
        allowed = self._allowed(headers)
        if allowed:
            response = replace(response, headers={**response.headers, **TOLD, **allowed})
        return self._varying(response)

    def _allowed(self, headers: Mapping[str, str]) -> dict[str, str]:
        origin = headers.get("origin")
        if origin is None:
            return {}
        if EVERY in self._origins:
            return {"access-control-allow-origin": EVERY}
        return {"access-control-allow-origin": origin} if origin in self._origins else {}

    def _varying(self, response: Response) -> Response:
        """A response for every origin does not vary by origin. If there are several, a cache must not serve the response of one to another."""
        if EVERY in self._origins:
            return response
        return replace(response, headers=varying(response.headers, "origin"))


def _also_asked(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a preflight's response that allow the requested method and headers, which persisty does not read."""
    names = (one.strip(" \t").lower() for one in headers.get(REQUESTED, "").split(","))
    others = [name for name in dict.fromkeys(names) if name not in _READ and _TOKEN.fullmatch(name)][:MAX_ASKED]
    return {"access-control-allow-headers": ", ".join((*ASKED, *others)), "vary": REQUESTED} if others else {}


REQUESTED = "access-control-request-headers"
_READ = frozenset(map(str.lower, ASKED))
_TOKEN = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,128}", re.ASCII)
"""The name of a header (RFC 9110, 5.6.2), in lower case."""


def cross_origin(handle: Handle, configured: str | None) -> Handle:
    """The surface for pages of the origins configured. Without any it is left as it is."""
    origins = origins_of(configured)
    return CrossOrigin(handle, origins).handle if origins else handle


def origins_of(configured: str | None) -> frozenset[str]:
    """`*`, or some origins with spaces between. `InvalidDeclaration` for what is no origin."""
    origins = frozenset((configured or "").split())
    faults = [
        Fault("/cors_origins", "Not an origin", "https://example.com, without a path", one[:64])
        for one in sorted(origins - {EVERY})
        if not _ORIGIN.fullmatch(one)
    ]
    if EVERY in origins and len(origins) > 1:
        faults.append(Fault("/cors_origins", "`*` is every origin: there is none beside it"))
    if faults:
        raise InvalidDeclaration("PERSISTY_CORS_ORIGINS contradicts itself", faults=faults)
    return origins

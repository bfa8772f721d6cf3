"""Fetch JSON documents of a token issuer by HTTPS, with limits of time and size, and without following redirects."""

from __future__ import annotations

import time
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from ..drivers import driver
from ..errors import BackendUnavailable, InvalidDeclaration
from ..model import nesting

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts of this machine: `http` is allowed for them."""
TIMEOUT = 3.0
"""Seconds to connect, and to wait for the next part of the response."""
DEADLINE = 6.0
"""Seconds for the whole response."""
MAX_DOCUMENT = 1 << 18
"""The most bytes of a document."""
HANDLERS = ("ProxyHandler", "HTTPHandler", "HTTPSHandler", "HTTPDefaultErrorHandler", "HTTPErrorProcessor")
"""urllib's handlers that are used. Without `HTTPRedirectHandler` a redirect is an error: keys come only from the configured issuer."""


def checked_url(url: str) -> str:
    """Return the URL if it is `https`, or `http` on this machine. Raises `InvalidDeclaration` otherwise."""
    try:
        parts = urlsplit(url)
    except ValueError as error:  # such as a bracket that is not closed
        raise InvalidDeclaration(f"Not a URL of a token issuer: {url!r}") from error
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL)):
        raise InvalidDeclaration(f"A token issuer must have an https URL, not {url!r}")
    return url


@cache
def _opener() -> Any:
    request = driver("urllib.request")
    opener = request.OpenerDirector()
    for name in HANDLERS:
        opener.add_handler(getattr(request, name)())
    return opener


def fetch_json(url: str) -> Any:
    """Fetch and decode the document at the URL. Raises `BackendUnavailable` for every failure."""
    until = time.monotonic() + DEADLINE
    body = b""
    request = driver("urllib.request").Request(checked_url(url), headers={"accept": "application/json"})
    try:
        with _opener().open(request, timeout=TIMEOUT) as response:
            while chunk := response.read1(MAX_DOCUMENT):
                body += chunk
                if len(body) > MAX_DOCUMENT or time.monotonic() > until:
                    raise BackendUnavailable("The token issuer's response is too long or too slow")
        return nesting.decode(body)
    except (OSError, driver("http.client").HTTPException, ValueError) as error:  # URLError is an OSError
        host = urlsplit(url).hostname
        raise BackendUnavailable(f"The token issuer at {host} returned no document: {type(error).__name__}") from error

"""JSON documents of a token issuer by HTTPS: bounded in time and size, and from nowhere but where they were asked for.

Imported when the first document is fetched: the modules for HTTP take longer to load than all of a cold start's others.
"""

from __future__ import annotations

import time
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ..errors import BackendUnavailable
from .issuers import checked

TIMEOUT = 3.0
"""Seconds to connect, and to wait for more of an answer."""
DEADLINE = 6.0
"""Seconds for all of an answer."""
MAX_DOCUMENT = 1 << 18
"""Bytes of a document."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Keys come from the issuer that is configured, not from where it points."""

    def redirect_request(self, *_: Any) -> None:
        return None


OPENER = urllib.request.build_opener(_NoRedirect)


def fetch_json(url: str) -> Any:
    """What is at the URL, decoded. `BackendUnavailable` for everything that goes wrong."""
    until = time.monotonic() + DEADLINE
    body = b""
    try:
        with OPENER.open(
            urllib.request.Request(checked(url), headers={"accept": "application/json"}), timeout=TIMEOUT
        ) as answer:
            while chunk := answer.read1(MAX_DOCUMENT):
                body += chunk
                if len(body) > MAX_DOCUMENT or time.monotonic() > until:
                    raise BackendUnavailable("The token issuer's answer is too long or too slow")
        return msgspec.json.decode(body)
    except (OSError, HTTPException, ValueError) as error:  # URLError and msgspec's errors are among these
        raise BackendUnavailable(
            f"The token issuer at {urlsplit(url).hostname} gives no document: {type(error).__name__}"
        ) from error

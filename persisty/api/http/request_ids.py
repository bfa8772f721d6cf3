"""Request ids: the name of one request for the client, proxies, the response and the log.

A client's own id is accepted only if it has plain characters, because it is written to logs and to a header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

REQUEST_ID = "x-request-id"
_PLAIN = re.compile(r"[A-Za-z0-9._~:+/=@-]{1,128}", re.ASCII)


def given_id(headers: Mapping[str, str]) -> str | None:
    """Return the id in the headers, whose names are in lower case. None if there is none, or if it has other characters or is too long."""
    given = headers.get(REQUEST_ID)
    return given if given is not None and _PLAIN.fullmatch(given) else None

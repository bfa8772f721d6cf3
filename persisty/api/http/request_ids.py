"""Request ids: what a client, a proxy, an answer and the log call one request by.

A client's own id is kept where nothing can be hidden in it: it goes into logs and into a header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

REQUEST_ID = "x-request-id"
_PLAIN = re.compile(r"[A-Za-z0-9._~:+/=@-]{1,128}", re.ASCII)


def given_id(headers: Mapping[str, str]) -> str | None:
    """The id that the headers (names in lower case) bring along. None without one, or with one that is not plain."""
    given = headers.get(REQUEST_ID)
    return given if given is not None and _PLAIN.fullmatch(given) else None

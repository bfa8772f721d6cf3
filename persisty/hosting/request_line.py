"""Checks of a request that HTTP servers do not make: one `Host` header (RFC 9112, 3.2), and a path of percent-encoded UTF-8 (RFC 3986), decoded once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import unquote, unquote_to_bytes

from starlette.types import Scope

_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::\d{0,5})?", re.ASCII)
_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})|[\x80-\xff]")
REPLACED = "\ufffd"
"""Character that servers put into a path for bytes that are not UTF-8. A path may also contain it, properly encoded."""


def decoded_once(scope: Scope) -> Scope:
    """Return the scope with a path that is decoded once, as RFC 3986 (2.4) demands. Starlette's `TestClient` decodes it twice, so the key `a%2Fb`, which
    is `a%252Fb` in a URL, would arrive as `a/b`."""
    raw = scope.get("raw_path")
    if not raw or b"%25" not in raw:
        return scope
    path = unquote(raw.decode("latin-1"))
    return {**scope, "path": path} if scope["path"] != path and scope["path"] == unquote(path) else scope


def malformed(scope: Scope, headers: Mapping[str, str]) -> str | None:
    """Return the reason to reject the request, None if it is well-formed."""
    host = headers.get("host")
    if host is None:
        if scope.get("http_version") == "1.1":
            return "Expected a Host header"
    elif not _is_host(host):  # several `Host` headers are joined with a comma
        return "Expected one Host header with a name and a port"
    raw = scope.get("raw_path")
    if raw and b"%" in raw and (_BROKEN.search(raw) or (REPLACED in scope["path"] and not _is_utf8(raw))):
        return "Expected a path of percent-encoded UTF-8"
    return None


@lru_cache(maxsize=256)
def _is_host(text: str) -> bool:
    return _HOST.fullmatch(text) is not None


def _is_utf8(raw: bytes) -> bool:
    try:
        unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return False
    return True

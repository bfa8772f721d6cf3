"""The path of an HTTP API's event, and the root path before it: a named stage, or the key of an API mapping.

An HTTP API passes `rawPath` decoded, a function URL percent-encoded. `rawPath` begins with either. `routeKey` and `pathParameters` say where the app's own path begins, after any root path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from persisty.api.http.messages import BROKEN_ESCAPE
from persisty.api.http.root_path import below
from persisty.errors import MalformedRequest

DEFAULT_STAGE = "$default"
FUNCTION_URL = ".lambda-url."
"""Part of the domain name of each function URL."""
GREEDY = "+}"
"""End of the last parameter of a route that matches the rest of a path."""


def path_of(event: Mapping[str, Any], configured: str = "") -> tuple[str, str]:
    """Return the root path, percent-encoded, and the path below it. `configured`: the root path of the setting, which replaces the one in
    the event. `MalformedRequest` if a percent-encoded path is not UTF-8 or has a broken escape."""
    whole = _decoded(event)
    found = _root(event, whole)
    path = whole[len(found) :] or "/"
    if configured and not found:
        path = below(configured, path) or "/"
    return configured or quote(found), path


def _decoded(event: Mapping[str, Any]) -> str:
    raw: str = event["rawPath"]
    if FUNCTION_URL not in (event["requestContext"].get("domainName") or ""):
        return raw.replace("%25", "%")  # the only escape that an HTTP API does not decode
    if BROKEN_ESCAPE.search(raw) is None:
        try:
            return unquote(raw, errors="strict")
        except UnicodeDecodeError:
            pass
    raise MalformedRequest("Expected a path of percent-encoded UTF-8")


def _root(event: Mapping[str, Any], whole: str) -> str:
    own = _own_path(event)
    if own is not None and whole.endswith(own):
        return whole[: len(whole) - len(own)]
    stage = event["requestContext"].get("stage") or DEFAULT_STAGE
    return f"/{stage}" if whole == f"/{stage}" or whole.startswith(f"/{stage}/") else ""


def _own_path(event: Mapping[str, Any]) -> str | None:
    """Return the path of the event's route with its parameter, or None for a route without a path."""
    _, _, route = (event.get("routeKey") or "").partition(" ")
    stem, parameter, name = route.partition("{")
    if not parameter:
        return stem or None
    value = (event.get("pathParameters") or {}).get(name.removesuffix(GREEDY))
    return f"{stem}{value}".replace("%25", "%") if isinstance(value, str) and name.endswith(GREEDY) else None

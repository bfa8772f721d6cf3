"""Content negotiation: `Accept` and `Accept-Encoding` (RFC 9110, 12.4 and 12.5).

Most clients send no `Accept`, `*/*`, or exactly the media type of the route. `ACCEPT_JSON` lists these, so that they need no parsing.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ...errors import NotAcceptable

JSON_MEDIA, LINES_MEDIA = "application/json", "application/x-ndjson"

ACCEPT_JSON = frozenset({None, "*/*", JSON_MEDIA})
"""Values of `Accept` (None: absent) for which the response is JSON if the route has JSON."""
REMEMBERED = 256
_QUALITY = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?", re.ASCII)


def media_for(accept: str, offered: tuple[str, ...]) -> str:
    """Return the offered media type that the client prefers, the first of equals. Raises `NotAcceptable` if it accepts none of them."""
    found = _best(accept, offered)
    if found is None:
        raise NotAcceptable(f"Available media types: {', '.join(offered)}", offered=list(offered))
    return found


@lru_cache(REMEMBERED)
def _best(accept: str, offered: tuple[str, ...]) -> str | None:
    ranges = _listed(accept)
    if not ranges:
        return offered[0]
    qualities = {media: _quality(ranges, media) for media in offered}
    best = max(offered, key=qualities.__getitem__)  # the first of equals
    return best if qualities[best] > 0 else None


def _quality(ranges: dict[str, float], media: str) -> float:
    """Return the quality of a media type: that of the most specific range that contains it."""
    kind = media.partition("/")[0]
    return next((ranges[one] for one in (media, f"{kind}/*", "*/*") if one in ranges), 0.0)


@lru_cache(REMEMBERED)
def takes_gzip(accept_encoding: str) -> bool:
    """Return whether the client accepts gzip and does not prefer the unencoded form."""
    codings = _listed(accept_encoding)
    anything = codings.get("*", 0.0)
    gzip = codings.get("gzip", codings.get("x-gzip", anything))
    # the unencoded form is acceptable as the last resort if the header does not name it
    return gzip > 0 and gzip >= codings.get("identity", 0.0)


def _listed(header: str) -> dict[str, float]:
    """Return name → quality of the members of a list. Other parameters are ignored, and a malformed quality is 1. If a name is repeated, its highest
    quality counts."""
    found: dict[str, float] = {}
    for member in header.split(","):
        name, *parameters = (part.strip(" \t") for part in member.lower().split(";"))
        if name:
            found[name] = max(found.get(name, 0.0), _weight(parameters))
    return found


def _weight(parameters: list[str]) -> float:
    for one in parameters:
        name, _, value = one.partition("=")
        if name.rstrip(" \t") == "q" and _QUALITY.fullmatch(value.strip(" \t")):
            return float(value)
    return 1.0

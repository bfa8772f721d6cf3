"""Bounds of text in keys: those of DynamoDB, which are the narrowest, on every engine.

The first attribute of a key has at most 2,048 bytes of UTF-8, and each further one 1,024. Source: "Constraints in Amazon DynamoDB" in the Amazon
DynamoDB Developer Guide. A leading U+0000 counts twice, because DynamoDB stores it with an escape.
"""

from __future__ import annotations

from collections.abc import Callable

from .types import NORMALISE, Kind

MAX_PARTITION, MAX_SORT = 2048, 1024
"""Bytes of the first attribute of a key, and of the others."""


DOT_SEGMENTS = (".", "..")
"""Keys that clients and proxies remove from a URL's path, percent-encoded or not (RFC 3986, 5.2.4)."""


def key_text(place: int, *, lone: bool = False) -> Callable[[str], str]:
    """Return the normaliser of text at a place in a key. It raises `ValueError` for text that is too long. `lone`: the text is the whole key. Then
    it is also raised for text that cannot be part of a URL."""
    limit, unicode = MAX_SORT if place else MAX_PARTITION, NORMALISE[Kind.STRING]

    def bounded(value: str) -> str:
        text: str = unicode(value)
        if 4 * len(text) >= limit and len(text.encode()) + text.startswith("\0") > limit:
            raise ValueError(f"Expected a key of at most {limit} bytes")
        if lone and text in DOT_SEGMENTS:
            raise ValueError(f"Expected a key that can be part of a URL, got {text}")
        return text

    return bounded

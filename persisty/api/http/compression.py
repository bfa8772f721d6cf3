"""Compress large responses with gzip (RFC 1952) for clients that accept it.

A host sends the bytes as they are. A compressed response has its own ETag, which `persisty.api.http.preconditions` reads in later requests.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

from .messages import Request, Response, close, varying
from .negotiation import takes_gzip
from .preconditions import coded_tag

SMALL = 1024
"""A response with fewer bytes is not compressed: it fits into one packet."""
LEVEL = 1
"""Level of zlib. Level 6 makes pages of items 10% smaller and takes two to three times as long. No level compresses random keys and times."""
GZIP = zlib.MAX_WBITS | 16
"""Makes zlib write gzip with no time in its header, so that equal responses have equal bytes."""


def coded(request: Request, response: Response) -> Response:
    """Return a large response, or one in chunks, compressed if the client accepts it, and with `Vary: accept-encoding`."""
    headers = varying(response.headers, "accept-encoding")
    if not takes_gzip(request.headers.get("accept-encoding", "")):
        return Response(response.status, headers, response.body, response.chunks)
    headers["content-encoding"] = "gzip"
    if "etag" in headers:
        headers["etag"] = coded_tag(headers["etag"])
    if response.chunks is not None:
        return Response(response.status, headers, chunks=_compressed(response.chunks))
    return Response(response.status, headers, zlib.compress(response.body, LEVEL, GZIP))


def unmodified(request: Request, headers: Mapping[str, str], tag: str, size: int) -> Mapping[str, str]:
    """Return the headers of a 304 instead of a 200 with this size and ETag. The ETag is that of the response which the client has, compressed or
    not."""
    if size < SMALL:
        return headers
    known = request.headers.get("if-none-match", "")
    takes = takes_gzip(request.headers.get("accept-encoding", ""))
    current = coded_tag(tag) if takes and (coded_tag(tag) in known or tag not in known) else tag
    return {**varying(headers, "accept-encoding"), "etag": current}


def _compressed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield each chunk compressed and flushed, so that a client which reads lines gets every line at once."""
    compressor = zlib.compressobj(LEVEL, wbits=GZIP)
    try:
        for chunk in chunks:
            yield compressor.compress(chunk) + compressor.flush(zlib.Z_SYNC_FLUSH)
        yield compressor.flush()
    finally:
        close(chunks)

"""Compressed answers: gzip (RFC 1952) for clients that take it, of what is large enough to gain by it.

A host has nothing to do but send the bytes; who does not take gzip, pays for one comparison. Tags of compressed answers are others:
`persisty.api.http.preconditions` understands them when they come back.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

from .messages import Request, Response, close, varying
from .negotiation import takes_gzip
from .preconditions import coded_tag

SMALL = 1024
"""Bytes below which an answer is sent as it is: it fits into one packet anyway."""
LEVEL = 1
"""Level of zlib. Pages of items get 10% smaller at level 6, for two to three times the time. No level compresses random keys and times."""
GZIP = zlib.MAX_WBITS | 16
"""Makes zlib write gzip, whose header then names no time: equal answers have equal bytes."""


def coded(request: Request, response: Response) -> Response:
    """A large response, or one in chunks, as the client takes it, and with the word that others may get it otherwise."""
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
    """The headers of a 304 for an answer of this size and with this tag: those of its 200, but with the tag of what the client has,
    which may be what is not compressed."""
    if size < SMALL:
        return headers
    known = request.headers.get("if-none-match", "")
    takes = takes_gzip(request.headers.get("accept-encoding", ""))
    told = coded_tag(tag) if takes and (coded_tag(tag) in known or tag not in known) else tag
    return {**varying(headers, "accept-encoding"), "etag": told}


def _compressed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Each chunk is made to come out whole: who reads lines gets those that there are, not those that a buffer lets go."""
    compressor = zlib.compressobj(LEVEL, wbits=GZIP)
    try:
        for chunk in chunks:
            yield compressor.compress(chunk) + compressor.flush(zlib.Z_SYNC_FLUSH)
        yield compressor.flush()
    finally:
        close(chunks)

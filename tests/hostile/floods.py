"""Attacks by connections rather than by requests: bytes that arrive slowly, and many connections that stay open without a request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

from .requests import JSON, Tokens, item, request
from .sockets import HANDSHAKE, INIT, frame

PAUSE = 0.02
PARTS = 12
"""Parts in which a request trickles in."""
CONNECTIONS = 30
HELD = 0.5
"""Seconds for which connections stay open."""


def trickled(random: Random, tokens: Tokens) -> bytes:
    """A request that is sent in parts: with a length, in chunks of a byte, or cut off."""
    body = item(random).encode(errors="replace")[:2_000]
    chunks = b"".join(b"1\r\n%c\r\n" % one for one in body[:300]) + b"0\r\n\r\n"
    return random.choice((
        lambda: request("POST", "/api/product", {**JSON, "connection": "close"}, body),
        lambda: request("POST", "/api/product", {**JSON, "connection": "close", "transfer-encoding": "chunked"}, chunks),
        lambda: request("GET", "/api/product", {"x": "a" * 5_000})[: random.randrange(100, 5_000)],
    ))()  # fmt: skip


def held(random: Random, tokens: Tokens) -> bytes:
    """Return the bytes that each of many connections sends before it stops."""
    subscription = frame(b'{"type":"subscribe","id":"a","payload":{"query":"subscription{productUpdated{id tags}}"}}')
    return random.choice((b"", b"GET /api/pro", HANDSHAKE, HANDSHAKE + INIT, HANDSHAKE + INIT + subscription))


async def trickle(port: int, content: bytes) -> int | None:
    """Send the content in parts. Return the status of the response, or None."""
    answer, step = b"", max(1, len(content) // PARTS)
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                with suppress(OSError):
                    for at in range(0, len(content), step):
                        writer.write(content[at : at + step])
                        await writer.drain()
                        await asyncio.sleep(PAUSE)
                async with asyncio.timeout(1):
                    answer = await reader.read(64)
            finally:
                writer.transport.abort()
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else None


async def hold(port: int, content: bytes) -> int | None:
    """Open many connections, send the content in each, and drop them after a while."""
    writers: list[asyncio.StreamWriter] = []
    try:
        for _ in range(CONNECTIONS):
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writers.append(writer)
                writer.write(content)
        await asyncio.sleep(HELD)
    finally:
        for writer in writers:
            writer.transport.abort()
    return None


SENDERS: dict[str, Callable[[int, bytes], Awaitable[int | None]]] = {"trickle": trickle, "idle": hold}
"""Way in → the function that sends its bytes. The others are sent at once."""

"""Answers of unknown length: each chunk is sent as it comes, and when nobody listens any more, none is made.

Chunks of an embedded engine are made in the event loop, which gets its turn after each; those over a network in threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Send

from ..api.http.messages import close


async def stream(chunks: Iterator[bytes], here: bool, receive: Receive, send: Send) -> None:
    """Send the chunks as the body of a response that was started. `here`: they are made in the event loop."""
    gone = asyncio.ensure_future(_gone(receive))
    try:
        while not gone.done():
            chunk = next(chunks, None) if here else await run_in_threadpool(next, chunks, None)
            if chunk is None:
                await send({"type": "http.response.body", "body": b""})
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await asyncio.sleep(0)  # others are served, too, and a client that is gone is noticed
    finally:
        gone.cancel()
        close(chunks)


async def _gone(receive: Receive) -> None:
    """Ends when the client does not listen any more."""
    while (await receive())["type"] != "http.disconnect":
        pass

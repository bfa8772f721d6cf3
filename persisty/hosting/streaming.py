"""Streamed responses: each chunk is sent as it is produced. Production stops when the client disconnects.

The first chunk from an embedded engine is produced in the event loop, because its page has been read there. All others are produced in threads: a
filter may have to look at many items for the next page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Send

from ..api.http.messages import close
from ..store.wait_limits import within
from .embedded_calls import LONGEST


async def stream(chunks: Iterator[bytes], here: bool, receive: Receive, send: Send) -> None:
    """Send the chunks as the body of a response that was started. `here`: produce the first in the event loop."""
    disconnected = asyncio.ensure_future(_disconnected(receive))
    try:
        while not disconnected.done():
            chunk = next(chunks, None) if here else await run_in_threadpool(within, LONGEST, next, chunks, None)
            here = False
            if chunk is None:
                await send({"type": "http.response.body", "body": b""})
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await asyncio.sleep(0)  # lets other tasks run and notices a disconnect
    finally:
        disconnected.cancel()
        close(chunks)


async def _disconnected(receive: Receive) -> None:
    """Return when the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass

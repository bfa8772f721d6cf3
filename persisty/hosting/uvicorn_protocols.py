"""HTTP as uvicorn speaks it, with a response's head and body in one write.

uvicorn writes the head as soon as it is known and the body after it, and uvloop sends each at once: two system calls and two packets for
an answer that fits into one. What is written within one turn of the event loop is held here, and goes out at the end of the turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HELD = 1 << 16
"""Bytes that are held at most: a stream must meet the transport's own limits, which pause it."""


class Corked:
    """A transport that gathers what is written to it until the turn ends. `direct` is the one beneath, which has all else."""

    def __init__(self, direct: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.direct = direct
        self._call_soon = loop.call_soon
        self._held: list[bytes] = []
        self._size = 0
        # those that are asked on every request, without a step between
        self.is_closing = direct.is_closing
        self.pause_reading = direct.pause_reading
        self.resume_reading = direct.resume_reading
        self.get_extra_info = direct.get_extra_info

    def write(self, data: Any) -> None:
        held = self._held
        if not held:
            self._call_soon(self.flush)
        held.append(data)
        self._size += len(data)
        if self._size > HELD:
            self.flush()

    def writelines(self, lines: Iterable[Any]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what is held."""
        if self._held:
            held, self._held, self._size = self._held, [], 0
            self.direct.writelines(held)

    def close(self) -> None:
        self.flush()
        self.direct.close()

    def abort(self) -> None:
        self._held, self._size = [], 0
        self.direct.abort()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.direct, name)


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol over a corked transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Corked(transport, self.loop))  # type: ignore[arg-type]

    def handle_websocket_upgrade(self) -> None:
        """A WebSocket's frames are its own protocol's to write."""
        corked: Any = self.transport
        corked.flush()
        self.transport = corked.direct
        super().handle_websocket_upgrade()

"""uvicorn's HTTP protocol, with head and body of a response in one write.

uvicorn writes the head and the body separately, and uvloop sends each at once: two system calls and two packets for a response that fits into
one. The transport here buffers all writes of one turn of the event loop and sends them at the end of the turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from .connection_limits import Bounded

CLOSE = (b"connection", b"close")
GRACE = 0.5
"""Seconds for which a server that stops still reads from an idle connection."""
MAX_BUFFERED = 1 << 16
"""Bytes that are buffered. A stream has to reach the limits of the transport, which pause it."""


class Corked:
    """A transport that buffers writes until the turn of the event loop ends. Everything else is passed to `direct`."""

    def __init__(self, direct: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.direct = direct
        self._call_soon = loop.call_soon
        self._buffer: list[bytes] = []
        self._size = 0
        self.linger: Callable[[], bool] = bool
        """Called before the transport is closed. If it returns True, the transport stays open and is closed by the protocol."""
        # methods that every request calls, without `__getattr__`
        self.is_closing = direct.is_closing
        self.pause_reading = direct.pause_reading
        self.resume_reading = direct.resume_reading
        self.get_extra_info = direct.get_extra_info

    def write(self, data: Any) -> None:
        buffer = self._buffer
        if not buffer:
            self._call_soon(self.flush)
        buffer.append(data)
        self._size += len(data)
        if self._size > MAX_BUFFERED:
            self.flush()

    def writelines(self, lines: Iterable[Any]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Send the buffer."""
        if self._buffer:
            buffer, self._buffer, self._size = self._buffer, [], 0
            self.direct.writelines(buffer)

    def close(self) -> None:
        self.flush()
        if not self.linger():
            self.direct.close()

    def abort(self) -> None:
        self._buffer, self._size = [], 0
        self.direct.abort()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.direct, name)


class Protocol(Bounded):
    """uvicorn's protocol with limits, over a `Corked` transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        corked = Corked(transport, self.loop)
        corked.linger = self.linger
        super().connection_made(corked)  # type: ignore[arg-type]

    def shutdown(self) -> None:
        """Stop. An idle connection lives for `GRACE` seconds more: a request may be on its way, and would have no response. Every response
        from now on says that it is the last of its connection."""
        state = self.server_state
        if CLOSE not in state.default_headers:
            state.default_headers = [*state.default_headers, CLOSE]
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(GRACE, super().shutdown)
        else:
            self.cycle.default_headers = state.default_headers
            super().shutdown()

    def handle_websocket_upgrade(self) -> None:
        """Give the plain transport to the WebSocket's protocol, which writes its own frames."""
        corked: Any = self.transport
        corked.flush()
        self.transport = corked.direct
        super().handle_websocket_upgrade()

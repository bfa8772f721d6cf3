"""uvicorn's HTTP protocol, which sends head and body of a response in one write.

uvicorn writes the head and the body separately, and uvloop sends each at once: two system calls and two packets for a response that fits into
one. The transport here buffers all writes of one turn of the event loop and sends them at the end of the turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from .connection_limits import Bounded
from .whole_responses import WHOLE

CLOSE = (b"connection", b"close")
GRACE = 0.5
"""Seconds for which a server that stops still reads from an idle connection."""
MAX_BUFFERED = 1 << 16
"""The most buffered bytes. A stream has to reach the limits of the transport, which pause it."""


EXTENSIONS: dict[str, dict[object, object]] = {WHOLE: {}}
"""Extensions of ASGI that this host supports."""


class Corked:
    """A transport that buffers writes until the turn of the event loop ends. Everything else is passed to `direct`."""

    def __init__(self, direct: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.direct = direct
        self._call_soon = loop.call_soon
        self._buffer: list[bytes] = []
        self._size = 0
        self.linger: Callable[[], bool] = bool
        """Called before the transport is closed. If it returns True, the transport stays open, and the protocol closes it later."""
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


class Lead:
    """The lines of the headers that uvicorn adds to every response. uvicorn makes a new list of them every second."""

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._lines: bytes | None = b""

    def of(self, headers: list[tuple[bytes, bytes]]) -> bytes | None:
        """Return the lines, or None if one of them closes the connection."""
        if headers is not self._headers:
            lines = None if CLOSE in headers else b"".join([name + b": " + value + b"\r\n" for name, value in headers])
            self._headers, self._lines = headers, lines
        return self._lines


_LEAD = Lead()


class Cycle(RequestResponseCycle):
    """A request and its response, which may be one whole message."""

    async def send(self, message: Any) -> None:
        if message["type"] != WHOLE:
            await super().send(message)
            return
        lead = _LEAD.of(self.default_headers)
        if (
            lead is None
            or not self.keep_alive
            or self.flow.write_paused
            or self.access_log
            or self.response_started
            or self.scope["method"] == "HEAD"
        ):
            await self._send_separately(message)
        elif not self.disconnected:
            self.waiting_for_100_continue = False
            self.response_started = self.response_complete = True
            self.transport.write(
                b"".join((STATUS_LINE[message["status"]], lead, message["head"], b"\r\n", message["body"]))
            )
            self.message_event.set()
            self.on_response()

    async def _send_separately(self, message: Any) -> None:
        """Send a whole response as two messages. uvicorn then waits, closes the connection or logs, as needed."""
        lines = message["head"].split(b"\r\n")[:-1]
        headers = [line.split(b": ", 1) for line in lines]
        await super().send({"type": "http.response.start", "status": message["status"], "headers": headers})
        await super().send({"type": "http.response.body", "body": message["body"]})


class Protocol(Bounded):
    """uvicorn's protocol with limits, over a `Corked` transport."""

    def on_headers_complete(self) -> None:
        self.scope["extensions"] = EXTENSIONS
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:  # a WebSocket has no new cycle
            self.cycle.__class__ = Cycle  # uvicorn has no setting for it; the cycle's task has not begun

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        corked = Corked(transport, self.loop)
        corked.linger = self.linger
        super().connection_made(corked)  # type: ignore[arg-type]

    def shutdown(self) -> None:
        """Stop. An idle connection stays open for another `GRACE` seconds, because a request may be on its way and would get no response. Every
        response from now on has `Connection: close`."""
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

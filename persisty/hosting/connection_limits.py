"""The limits of an HTTP connection: bytes and fields of a request's head, and the time in which head and body have to arrive.

The response to a request that exceeds them, or that is not HTTP, is a problem document. uvicorn's parser has no limits. A header of 80 MB took
seconds, because the parser joins its parts again with each packet. A client that sent nothing, or half a request, had its connection open forever.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ..api.http.messages import ON_EVERY_RESPONSE
from ..api.http.problem import refusal
from ..errors import HeadersTooLarge, MalformedRequest, PersistyError, RequestTimeout

MAX_HEAD = 1 << 16
"""Bytes of the request line and the headers."""
MAX_FIELDS = 500
"""Headers of a request."""
HEAD_TIMEOUT = 10.0
"""Seconds in which the head has to arrive, from the connection and from its first byte."""
BODY_TIMEOUT = 20.0
"""Seconds in which the next part of the body has to arrive."""
MAX_BODY_TIME = 300.0
"""Seconds in which the whole body has to arrive."""
LINGER = 1.0
"""Seconds for which the rest of a rejected request is read and dropped. If the connection were closed earlier, the client would miss the response."""


NOT_HTTP = "Expected a request of HTTP/1.1 with a known method (RFC 9112)"
INVALID_TARGET = "Expected a target such as /path?query in ASCII, with other bytes percent-encoded (RFC 3986)"


class _HeadTooLargeError(Exception):
    """Ends the parsing of a head that exceeds its limits."""


class Bounded(HttpToolsProtocol):
    """uvicorn's protocol with limits. A connection has one timer, and another for each body that arrives in parts."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._reading_head, self._too_large, self._refused = True, False, False
        self._arrived = 0  # bytes, since the head began
        self._body_begun = self._body_received = 0.0
        self._timer: asyncio.TimerHandle | None = self.loop.call_later(HEAD_TIMEOUT, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._stop_timer()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._arrived = self._arrived + len(data) if self._reading_head else len(data)
        super().data_received(data)
        if self._refused:
            return
        if self._reading_head:
            if self._arrived > MAX_HEAD:
                self._refuse(_too_large())
            elif self._timer is None:
                self._timer = self.loop.call_later(HEAD_TIMEOUT, self._head_is_late)
        elif self.cycle is not None and self.cycle.more_body:
            self._body_received = self.loop.time()
            if self._timer is None:
                self._body_begun = self._body_received
                self._timer = self.loop.call_later(BODY_TIMEOUT, self._body_is_late)

    def on_message_begin(self) -> None:
        self._reading_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._reading_head = False
        if self._timer is not None:
            self._stop_timer()
        if (self._arrived > MAX_HEAD or len(self.headers) > MAX_FIELDS) and self._exceeds():
            self._too_large = True
            raise _HeadTooLargeError
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that the parser has rejected: its head is too large, or it is not HTTP.

        If an earlier request of the connection has no response yet, the connection is closed after that response instead."""
        cycle = self.cycle
        if self._too_large:
            self._refuse(_too_large())
        elif cycle is not None and not cycle.response_complete and not cycle.more_body:
            self._refused, cycle.keep_alive = True, False
            self._stop_timer()
        else:
            invalid_target = isinstance(sys.exception(), httptools.HttpParserInvalidURLError)
            self._refuse(MalformedRequest(INVALID_TARGET if invalid_target else NOT_HTTP))

    def _exceeds(self) -> bool:
        """Return whether the head itself is too large. Some of the bytes that arrived may be the body."""
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        return size > MAX_HEAD or len(self.headers) > MAX_FIELDS

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        self._timer = None
        if self.cycle is not None and not self.cycle.response_complete:
            # the head of the next request waits for this response
            self._timer = self.loop.call_later(HEAD_TIMEOUT, self._head_is_late)
        elif self._arrived:
            self._refuse(RequestTimeout(f"The head of a request has to arrive within {HEAD_TIMEOUT:.0f} seconds"))
        else:
            self.transport.close()

    def _body_is_late(self) -> None:
        self._timer = None
        if self.cycle is None or not self.cycle.more_body:
            return
        now = self.loop.time()
        left = min(self._body_received + BODY_TIMEOUT, self._body_begun + MAX_BODY_TIME) - now
        if left > 0 or self.flow.read_paused:
            self._timer = self.loop.call_later(max(left, 1.0), self._body_is_late)
        else:
            self._refuse(RequestTimeout(f"The next part of a body has to arrive within {BODY_TIMEOUT:.0f} seconds"))

    def linger(self) -> bool:
        """Return whether the connection has to stay open because the rest of a body is on its way. It is closed later.

        If the server closed a connection with unread data, TCP would reset it, and the client would miss the response.
        """
        if self._refused or self.cycle is None or not self.cycle.more_body or self.cycle.disconnected:
            return False
        self._refused = True
        self._stop_timer()
        self.flow.resume_reading()
        self._timer = self.loop.call_later(LINGER, self.transport.close)
        return True

    def _refuse(self, error: PersistyError) -> None:
        """Answer with a problem document unless a response has begun, and close the connection."""
        self._refused = True
        self._stop_timer()
        if self.cycle is not None and not self.cycle.response_complete:
            if self.cycle.response_started:
                self.transport.close()
                return
            self.cycle.disconnected = True  # ends a handler that waits for the body
            self.cycle.message_event.set()
        response = refusal(error)
        headers: dict[str, Any] = {
            **response.headers,
            **ON_EVERY_RESPONSE,
            "content-length": len(response.body),
            "connection": "close",
        }
        lines = [f"{name}: {value}\r\n".encode() for name, value in headers.items()]
        self.transport.write(b"".join([STATUS_LINE[response.status], *lines, b"\r\n", response.body]))
        self._timer = self.loop.call_later(LINGER, self.transport.close)


def _too_large() -> HeadersTooLarge:
    return HeadersTooLarge(
        f"A head has at most {MAX_HEAD} bytes and {MAX_FIELDS} headers", limit=MAX_HEAD, headers=MAX_FIELDS
    )

"""uvicorn's WebSocket protocol, hardened against invalid clients.

A frame that breaks the protocol closes the connection without a line in the log. A rejected handshake gets a problem document. uvicorn itself logs a
traceback for text that is not UTF-8, fails if such a frame follows the close frame, and logs the URL of each connection with its query string, which
may contain a token.
"""

from __future__ import annotations

import logging
from asyncio import BaseTransport
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidState
from websockets.http11 import Request, Response
from websockets.protocol import State

from ..api.http import messages
from ..api.http.messages import ON_EVERY_RESPONSE
from ..api.http.problem import refusal
from ..errors import Forbidden, MalformedRequest
from .connection_limits import LINGER
from .logs import SOCKETS

SWITCHING = 101
"""Status of an accepted handshake."""
INVALID_TEXT = 1007
"""Close code for text that is not UTF-8 (RFC 6455, 7.4.1)."""
log = logging.getLogger(SOCKETS)
log.setLevel(logging.WARNING)  # also for servers that configure the log themselves


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, without the log lines that clients can cause."""

    def connection_made(self, transport: BaseTransport) -> None:
        self.logger = self.conn.logger = log
        self._broken = False
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._broken:
            return
        try:
            super().data_received(data)
        except InvalidState:  # the client breaks the protocol after the server's close frame
            self._end()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_text(self.frames):
            self.frames = []
            if self.conn.state is State.OPEN:
                self.conn.send_close(INVALID_TEXT)
                self.handle_parser_exception()
            else:
                self._end()
            return
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        closed = self.conn.close_sent
        code, reason = (1006, "") if closed is None else (closed.code, closed.reason)
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self._end()

    def handle_connect(self, event: Request) -> None:
        """Answer the handshake. It is rejected if a required header is missing or malformed."""
        refused = self.conn.accept(event)
        if refused.status_code == SWITCHING:
            super().handle_connect(event)
            return
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        reason = str(self.conn.handshake_exc).removesuffix(".") or refused.reason_phrase
        problem = refusal(MalformedRequest(f"Expected the handshake of a WebSocket: {reason}"))
        headers = {
            **problem.headers,
            **ON_EVERY_RESPONSE,
            "content-length": str(len(problem.body)),
            "connection": "close",
        }
        self.conn.send_response(Response(problem.status, "Bad Request", Headers(headers), problem.body))
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "websocket.close" and not self.handshake_complete:
            await self._refuse(refusal(Forbidden("A WebSocket is not accepted here")))
            return
        if self._broken:  # not an error of the server: the client has broken the connection
            raise ClientDisconnected
        await super().send(message)

    async def _refuse(self, response: messages.Response) -> None:
        """Reject the handshake with a problem document."""
        headers = [(name.encode(), value.encode()) for name, value in {**response.headers, **ON_EVERY_RESPONSE}.items()]
        start: Any = {"type": "websocket.http.response.start", "status": response.status, "headers": headers}
        await super().send(start)
        await super().send({"type": "websocket.http.response.body", "body": response.body})

    def _end(self) -> None:
        """Send the remaining frames, such as the close frame, and close the connection when the client does, or after `LINGER`.

        Until then, whatever arrives is dropped. If the server closed a connection with unread data, TCP would reset it, and the client would miss
        the close frame.
        """
        self._broken = self.close_sent = True
        self.stop_keepalive()
        self.transport.write(b"".join(self.conn.data_to_send()))
        if self.close_timer is None:
            self.close_timer = self.loop.call_later(LINGER, self.transport.close)
            self.loop.call_soon(self._end_writing)  # the frames that arrived with the invalid one may have responses

    def _end_writing(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()
            if self.transport.can_write_eof():  # not with TLS
                self.transport.write_eof()


def _is_text(frames: list[bytes]) -> bool:
    try:
        b"".join(frames).decode()
    except UnicodeDecodeError:
        return False
    return True

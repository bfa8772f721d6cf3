"""uvicorn's WebSocket protocol for connections of anonymous clients: frames that break the protocol end a connection quietly.

uvicorn logs a traceback for text that is not UTF-8, fails if such a frame follows the end of the conversation, and logs the URL of each
connection with its query string, in which there may be a token.
"""

from __future__ import annotations

import logging
from asyncio import BaseTransport

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.protocol import State

INVALID_TEXT = 1007
"""Close code for text that is not UTF-8 (RFC 6455, 7.4.1)."""
log = logging.getLogger("uvicorn.error.websocket")
log.setLevel(logging.WARNING)  # at INFO it would log query strings


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, without the lines of the log that clients decide."""

    def connection_made(self, transport: BaseTransport) -> None:
        self.logger = self.conn.logger = log
        self._broken = False
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except InvalidState:  # the server has closed the conversation, and the client breaks the protocol
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
        self._broken = True
        super().handle_parser_exception()

    async def send(self, message: ASGISendEvent) -> None:
        if self._broken:  # what the server sends to a connection that has ended so is no mistake of the server
            raise ClientDisconnected
        await super().send(message)

    def _end(self) -> None:
        """Send what the conversation has left, such as the answer to a close frame, and close the connection."""
        self._broken = True
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()


def _is_text(frames: list[bytes]) -> bool:
    try:
        b"".join(frames).decode()
    except UnicodeDecodeError:
        return False
    return True

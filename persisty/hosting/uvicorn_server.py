"""uvicorn's server, which also answers the connections that wait in the queue of a listening socket when it stops.

A client whose connection is in the queue may have sent its request. Closing the socket would reset the connection. The client would get no response
and could not know whether its write was executed.
"""

from __future__ import annotations

import asyncio
import socket

import uvicorn


class StoppingServer(uvicorn.Server):
    """A server whose process is the only one that listens at its sockets."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        waiting = [one for listening in sockets or [] for one in _queued(listening)]
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        loop = asyncio.get_running_loop()
        for one in waiting:
            await loop.connect_accepted_socket(self._protocol, one)
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]  # uvicorn types it as any protocol
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


def _queued(listening: socket.socket) -> list[socket.socket]:
    """Accept the connections in the queue of a socket, without waiting for others."""
    found: list[socket.socket] = []
    listening.setblocking(False)
    while True:
        try:
            accepted, _ = listening.accept()
        except OSError:  # BlockingIOError: the queue is empty; any other error: the socket is unusable
            return found
        accepted.setblocking(False)
        found.append(accepted)

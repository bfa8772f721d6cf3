"""uvicorn's server, which answers the connections that the system has already accepted when it stops.

A client whose connection waits in the queue of a listening socket has sent its request. Closing the socket resets the connection, so the
client has no response and cannot know whether there was a write.
"""

from __future__ import annotations

import asyncio
import socket

import uvicorn


class StoppingServer(uvicorn.Server):
    """The only process that listens at its sockets."""

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
        except OSError:  # BlockingIOError: the queue is empty; any other: the socket cannot be used any more
            return found
        accepted.setblocking(False)
        found.append(accepted)

"""A small load generator: keep-alive connections, one request again and again, counted responses.

It reads only the length of a response, so that one core of it is faster than one core of every server here.
"""

from __future__ import annotations

import selectors
import socket
import time

CONNECTIONS = 16


def requests_per_second(port: int, request: bytes, seconds: float, server: int) -> float:
    """Return the responses to this request in a second of CPU of the server's process. Raise on every response that is not 2xx.

    CPU time makes the result independent of other work on the machine.
    """
    selector = selectors.DefaultSelector()
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(request)
        selector.register(connection, selectors.EVENT_READ, bytearray())
    answered, clock = 0, (~server << 3) | 2  # clock_getcpuclockid(3), as Linux has it
    start, end = time.clock_gettime(clock), time.perf_counter() + seconds
    while time.perf_counter() < end:
        for key, _ in selector.select(1):
            buffer: bytearray = key.data
            connection = key.fileobj  # type: ignore[assignment]
            buffer += connection.recv(65536)
            if _complete(buffer):
                if not buffer.startswith(b"HTTP/1.1 2"):
                    raise RuntimeError(bytes(buffer[:500]).decode())
                answered += 1
                buffer.clear()
                connection.sendall(request)
    elapsed = time.clock_gettime(clock) - start
    for key in list(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    return answered / elapsed


def _complete(buffer: bytearray) -> bool:
    head = buffer.find(b"\r\n\r\n")
    if head < 0:
        return False
    at = buffer.lower().find(b"content-length:", 0, head)
    return at >= 0 and len(buffer) >= head + 4 + int(buffer[at + 15 : buffer.find(b"\r", at)])

"""A load generator of a few lines: kept-alive connections, the same request over and over, answers counted.

It reads an answer's length and nothing else, so that one core of it outruns one core of any server here.
"""

from __future__ import annotations

import selectors
import socket
import time

CONNECTIONS = 16


def requests_per_second(port: int, request: bytes, seconds: float, server: int) -> float:
    """Answers to this request in a second of the server's CPU, by its process's number. Raises on any answer that is not 2xx.

    One worker that has all it can do answers so many in a second; what else the machine does counts for nobody.
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

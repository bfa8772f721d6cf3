"""A process that polls `/health` without a pause and prints each slow response: monotonic seconds at its end, and milliseconds.

It is a separate process, so the time to make hostile requests does not count. It ends when its standard input ends.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from contextlib import suppress

SLOW = 50.0
"""Milliseconds from which an answer is printed."""
PAUSE = 0.01


def main(port: int) -> None:
    slowest, count = 0.0, 0
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        begun = time.monotonic()
        answer = b""
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 60) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            while part := connection.recv(4096):
                answer += part
        ended = time.monotonic()
        spent = 1_000 * (ended - begun)
        slowest, count = max(slowest, spent), count + 1
        if not answer.startswith(b"HTTP/1.1 200") or spent >= SLOW:
            print(f"{ended} {spent if answer.startswith(b'HTTP/1.1 200') else 1e9}", flush=True)
    print(f"end {slowest} {count}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))

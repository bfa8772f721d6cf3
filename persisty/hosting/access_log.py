"""The access log: a line for each request, as JSON or as short text for a terminal.

A line has no query string, header or body, because these may contain secrets. Lines are buffered and written together, so that a request
costs no system call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO
from urllib.parse import quote

import msgspec
from msgspec import Struct

BUFFER_SECONDS = 0.05
"""Seconds for which lines are buffered."""
MAX_BUFFERED = 1 << 16
"""The most lines in the buffer. When it is full, it is written at once."""
MAX_PATH = 1024
"""The most characters of a path in a line."""
PLAIN = "/:@!$&'()*+,;=~ "
"""Characters that, like letters and digits, are not percent-encoded in text."""


class Line(Struct, frozen=True):
    """A line of the log. `path` is decoded. `route` is the app's route, or `unmatched`. `ms` runs from the first byte of the request to the
    last of the response. `bytes` is the size of the body that was sent. `subject` is that of an authenticated caller."""

    time: str
    level: str
    request_id: str
    method: str
    path: str
    route: str
    status: int
    bytes: int
    ms: float
    subject: str | None


def as_json(line: Line) -> bytes:
    return _ENCODER.encode(line) + b"\n"


def as_text(line: Line) -> bytes:
    """Return `12:30:01 200 GET /api/message/1  0.4 ms  120 B  ann  [id]`. Control characters are percent-encoded: they could move the cursor
    of a terminal."""
    subject = f"  {quote(line.subject, safe=PLAIN)}" if line.subject is not None else ""
    path = quote(line.path, safe=PLAIN)
    clock = line.time[11:19]
    text = f"{clock} {line.status} {line.method} {path}  {line.ms:g} ms  {line.bytes} B{subject}  [{line.request_id}]\n"
    return text.encode()


Format = Callable[[Line], bytes]
_ENCODER = msgspec.json.Encoder()


class AccessLog:
    """Writes lines to a binary file. Lines that cannot be written are dropped."""

    def __init__(self, out: IO[bytes], spell: Format = as_json) -> None:
        self._out, self._format = out, spell
        self._buffer: list[bytes] = []
        self._second, self._prefix = -1, ""

    def write(
        self,
        request_id: str,
        method: str,
        path: str,
        route: str,
        status: int,
        size: int,
        seconds: float,
        subject: str | None,
    ) -> None:
        """Log a request that took so many seconds. Call it in the event loop."""
        level, ms = "ERROR" if status >= 500 else "INFO", round(seconds * 1000, 3)
        known = path if len(path) <= MAX_PATH else path[:MAX_PATH]
        line = Line(self._time(), level, request_id, method, known, route, status, size, ms, subject)
        if not self._buffer:
            asyncio.get_running_loop().call_later(BUFFER_SECONDS, self.flush)
        self._buffer.append(self._format(line))
        if len(self._buffer) >= MAX_BUFFERED:
            self.flush()

    def flush(self) -> None:
        """Write the buffered lines."""
        lines, self._buffer = self._buffer, []
        if lines:
            with suppress(OSError, ValueError):  # a closed log must not stop the server
                self._out.write(b"".join(lines))
                self._out.flush()

    def _time(self) -> str:
        """Return the time in UTC, to the millisecond (RFC 3339)."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._prefix = second, time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._prefix}{int((now - second) * 1000):03}Z"

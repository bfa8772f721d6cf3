"""The access log: a line for each request, JSON for machines or a short one for people.

It says who asked for what and how that went, and nothing that may be a secret: no query string, no header, no body. Lines are gathered
and written together, so that a request pays for no system call.
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

GATHERED = 0.05
"""Seconds for which lines are gathered."""
MOST = 1 << 16
"""Lines beyond which nothing is gathered on: a burst must not fill the memory."""
LONGEST = 1024
"""Characters of a path that are told."""
PLAIN = "/:@!$&'()*+,;=~ "
"""What is shown as it is, beside letters and digits, in a line for people."""


class Line(Struct, frozen=True):
    """What is told of a request. `path` is decoded; `route` is that of the app, or `unmatched`; `ms` from the first byte of the request to the
    last of the answer; `bytes` of the answer's body as it was sent; `subject` of a caller that is known."""

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
    """`12:30:01 200 GET /api/message/1  0.4 ms  120 B  ann  [id]`; whatever could move a terminal's cursor is percent-encoded."""
    who = f"  {quote(line.subject, safe=PLAIN)}" if line.subject is not None else ""
    path = quote(line.path, safe=PLAIN)
    clock = line.time[11:19]
    told = f"{clock} {line.status} {line.method} {path}  {line.ms:g} ms  {line.bytes} B{who}  [{line.request_id}]\n"
    return told.encode()


Spell = Callable[[Line], bytes]
_ENCODER = msgspec.json.Encoder()


class AccessLog:
    """Writes lines to a binary file, which is flushed each time; what nobody takes is dropped."""

    def __init__(self, out: IO[bytes], spell: Spell = as_json) -> None:
        self._out, self._spell = out, spell
        self._held: list[bytes] = []
        self._second, self._shown = -1, ""

    def note(
        self,
        request_id: str,
        method: str,
        path: str,
        route: str,
        status: int,
        size: int,
        took: float,
        subject: str | None,
    ) -> None:
        """Tell of a request that took so many seconds. Called in the event loop."""
        level = "ERROR" if status >= 500 else "INFO"
        known = path if len(path) <= LONGEST else path[:LONGEST]
        line = Line(self._time(), level, request_id, method, known, route, status, size, round(took * 1000, 3), subject)
        if not self._held:
            asyncio.get_running_loop().call_later(GATHERED, self.flush)
        self._held.append(self._spell(line))
        if len(self._held) >= MOST:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        held, self._held = self._held, []
        if held:
            with suppress(OSError, ValueError):  # a log that is closed must not stop the server
                self._out.write(b"".join(held))
                self._out.flush()

    def _time(self) -> str:
        """Now, in UTC, to the millisecond (RFC 3339)."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._shown = second, time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._shown}{int((now - second) * 1000):03}Z"

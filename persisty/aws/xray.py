"""Subsegments of AWS X-Ray: the calls to a service, in the trace of the invocation that makes them.

Lambda sets the trace in a variable of the environment for each invocation, and runs a daemon that receives segments by UDP. A datagram costs
microseconds and is never awaited; the X-Ray SDK costs 250 ms at each cold start.

Sources: "Tracing header" and "AWS X-Ray segment documents" in the AWS X-Ray Developer Guide; "Using AWS Lambda environment variables".
"""

from __future__ import annotations

import socket
from contextlib import suppress
from os import urandom
from typing import Any

import msgspec

from .. import settings

HEADER = b'{"format":"json","version":1}\n'
MOST = 64_000
"""Most bytes of a datagram that the daemon accepts."""


def sampled(header: str | None) -> tuple[str, str] | None:
    """Return the id of the trace and of the parent segment that a tracing header names, None if the trace is not sampled."""
    parts = dict(part.strip().partition("=")[::2] for part in (header or "").split(";"))
    if parts.get("Sampled") != "1" or not parts.get("Root") or not parts.get("Parent"):
        return None
    return parts["Root"], parts["Parent"]


class Subsegments:
    """Sends subsegments to the daemon at `address`, such as `169.254.79.129:2000`. Safe to share between threads. A datagram that cannot be sent is lost:
    a trace must not fail a request."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._place = (host, int(port))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, name: str, started: float, ended: float, *, failed: bool = False, **members: Any) -> None:
        """Send a subsegment with these seconds since 1970. Nothing is sent if the current trace is not sampled."""
        trace = sampled(settings.trace_header())
        if trace is None:
            return
        root, parent = trace
        document = {
            "name": name, "id": urandom(8).hex(), "trace_id": root, "parent_id": parent, "type": "subsegment",
            "start_time": started, "end_time": ended, **({"fault": True} if failed else {}), **members,
        }  # fmt: skip
        data = HEADER + msgspec.json.encode(document)
        if len(data) <= MOST:
            with suppress(OSError):
                self._socket.sendto(data, self._place)

    def close(self) -> None:
        self._socket.close()

"""A proxy in front of DynamoDB that injects a fault into each request, by a script or by a function of the request.

A fault is a function of a request. It decides whether DynamoDB receives the request, and what the client receives.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

PATIENCE = 30.0
"""Seconds within which a client must give up on a missing response."""


class Request:
    """One request of a client. `forward` sends it to DynamoDB, and `answer` builds a response."""

    def __init__(self, head: bytes, body: bytes, upstream: tuple[str, int], client: socket.socket) -> None:
        self.head, self.raw, self.client = head, body, client
        self._upstream = upstream
        self.operation = self._header("x-amz-target").rpartition(".")[2]

    @property
    def body(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.raw)
        return parsed

    def forward(self, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        """Return (status, body) of DynamoDB's response to this request, or to the request with another `body`."""
        connection = http.client.HTTPConnection(*self._upstream, timeout=PATIENCE)
        try:
            names = ("x-amz-target", "content-type", "authorization", "x-amz-date", "x-amz-security-token")
            headers = {name: found for name in names if (found := self._header(name))}
            connection.request("POST", "/", self.raw if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def answer(self, status: int, body: bytes | dict[str, Any], checksum: int | None = None) -> bytes:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = (
            f"HTTP/1.1 {status} Whatever\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {len(raw)}\r\n"
            f"x-amz-crc32: {crc32(raw) if checksum is None else checksum}\r\n\r\n"
        )
        return head.encode() + raw

    def _header(self, name: str) -> str:
        for line in self.head.decode("latin-1").split("\r\n"):
            if line.lower().startswith(name + ":"):
                return line.partition(":")[2].strip()
        return ""


Fault = Callable[[Request], bool]
"""Handles a request. False closes the connection."""


def carried(request: Request) -> bool:
    """Forward the request and its response without a fault."""
    request.client.sendall(request.answer(*request.forward()))
    return True


def dropped(request: Request) -> bool:
    """Lose the connection before DynamoDB receives the request."""
    return False


def lost(request: Request) -> bool:
    """Execute the request, and lose the response."""
    request.forward()
    return False


def cut_in_head(request: Request) -> bool:
    request.client.sendall(request.answer(*request.forward())[:25])
    return False


def cut_in_body(request: Request) -> bool:
    request.client.sendall(request.answer(*request.forward())[:-1])
    return False


def late(request: Request) -> bool:
    """Execute the request, and send no response until the client gives up."""
    request.forward()
    request.client.settimeout(PATIENCE)
    request.client.recv(1)
    return False


def dribbling(request: Request) -> bool:
    """Execute the request, and send a response that never ends, although each of its pieces arrives in time."""
    request.forward()
    request.client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    turn = threading.Event()
    while not turn.wait(0.02):
        request.client.sendall(b" ")
    return False


def corrupted(request: Request) -> bool:
    """Execute the request, and change a byte of the response."""
    status, body = request.forward()
    changed = body.replace(b"{", b"[", 1)
    request.client.sendall(request.answer(status, changed, crc32(body)))
    return True


def garbage(request: Request) -> bool:
    request.forward()
    request.client.sendall(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
    return False


def page_of_html(request: Request) -> bool:
    """Execute the request, and respond with a page of another proxy."""
    request.forward()
    request.client.sendall(request.answer(200, b"<html>captive portal</html>"))
    return True


def refusing(kind: str, status: int = 400, *, forwarded: bool = False) -> Fault:
    """Return a fault that responds with an error of DynamoDB. With `forwarded`, the request is executed first."""

    def refuse(request: Request) -> bool:
        if forwarded:
            request.forward()
        body = {"__type": f"com.amazonaws.dynamodb.v20120810#{kind}", "message": "scripted"}
        request.client.sendall(request.answer(status, body))
        return True

    return refuse


throttled = refusing("ThrottlingException")
exceeded = refusing("ProvisionedThroughputExceededException")
unavailable = refusing("ServiceUnavailable", 503)
failed = refusing("InternalServerError", 500)
failed_after = refusing("InternalServerError", 500, forwarded=True)


def partly(request: Request) -> bool:
    """Process only the first key of a batch of reads, or only the first statement of a batch of statements."""
    body = request.body
    if request.operation == "BatchGetItem":
        [(table, asked)] = body["RequestItems"].items()
        first, others = asked["Keys"][:1], asked["Keys"][1:]
        status, raw = request.forward({"RequestItems": {table: {**asked, "Keys": first}}})
        answer = json.loads(raw)
        if others:
            answer["UnprocessedKeys"] = {table: {**asked, "Keys": others}}
    elif request.operation == "BatchExecuteStatement":
        status, raw = request.forward({"Statements": body["Statements"][:1]})
        answer = json.loads(raw)
        throttle = {"Error": {"Code": "ThrottlingError", "Message": "scripted"}}
        answer["Responses"] += [throttle] * (len(body["Statements"]) - 1)
    else:
        return carried(request)
    request.client.sendall(request.answer(status, answer))
    return True


BEFORE = {
    "dropped": dropped,
    "throttled": throttled,
    "exceeded": exceeded,
    "unavailable": unavailable,
    "failed": failed,
}
"""Faults of requests that are not executed."""
AFTER = {
    "lost": lost,
    "cut in head": cut_in_head,
    "cut in body": cut_in_body,
    "corrupted": corrupted,
    "garbage": garbage,
    "html": page_of_html,
    "failed after": failed_after,
}
"""Faults of requests that are executed."""


class FaultProxy:
    """A proxy that applies the faults of `script` to the next requests, then those that `choose` returns. `seen` lists the operations."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "", parts.port or 80)
        self.script: deque[Fault] = deque()
        self.choose: Callable[[Request], Fault] = lambda _: carried
        self.seen: list[str] = []
        self.requests: list[Request] = []
        self._turn = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def faults(self, *faults: Fault) -> None:
        """Apply these faults to the next requests, and `choose` to those after them. Forget the requests seen so far."""
        self.script = deque(faults)
        self.seen.clear()
        self.requests.clear()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as stream, contextlib.suppress(OSError):
            while (request := self._read(stream, client)) is not None:
                with self._turn:
                    self.seen.append(request.operation)
                    self.requests.append(request)
                    fault = self.script.popleft() if self.script else self.choose(request)
                if not fault(request):
                    return

    def _read(self, stream: Any, client: socket.socket) -> Request | None:
        head = b""
        while (line := stream.readline()) not in (b"\r\n", b""):
            head += line
        if not head:
            return None
        [length] = [
            int(one.split(b":")[1]) for one in head.split(b"\r\n") if one.lower().startswith(b"content-length:")
        ]
        return Request(head, stream.read(length), self._upstream, client)


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    proxy = FaultProxy(upstream)
    try:
        yield proxy
    finally:
        proxy.close()

"""A proxy in front of an emulator that answers with other statuses of stacks: those that CloudFormation has, and that no emulator reaches."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

from .emulators import free_port

HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
"""Headers of one connection."""
_STACK = re.compile(
    rb"<StackName>(?P<name>[^<]+)</StackName>.*?<StackStatus>(?P<status>[^<]+)</StackStatus>", re.DOTALL
)


class StackStatuses:
    """`url`: of the proxy. `statuses`: name of a stack → the status that `DescribeStacks` answers. `updated`: statuses that apply from the next update of a
    stack on, so that this update fails."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.statuses: dict[str, str] = {}
        self.updated: dict[str, str] = {}

    def asked(self, body: bytes) -> bool:
        """Note a request to CloudFormation. Return whether its response has statuses."""
        given = parse_qs(body.decode(errors="replace"))
        action, name = given.get("Action", [""])[0], given.get("StackName", [""])[0]
        if action in ("ExecuteChangeSet", "UpdateStack"):
            for stack in [one for one in self.updated if one == name or f"/{one}/" in name]:
                self.statuses[stack] = self.updated.pop(stack)
        return action == "DescribeStacks"

    def answer(self, content: bytes) -> bytes:
        """Return a response with the other statuses."""

        def replaced(found: re.Match[bytes]) -> bytes:
            status = self.statuses.get(found["name"].decode())
            return found[0] if status is None else found[0].replace(found["status"], status.encode())

        return _STACK.sub(replaced, content)


@contextmanager
def stack_statuses(target: str) -> Iterator[StackStatuses]:
    """Run a proxy in front of the emulator at `target` until the context ends."""
    origin = urlsplit(target)
    port = free_port()
    found = StackStatuses(f"http://localhost:{port}")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_all(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            has_statuses = found.asked(body)
            connection = http.client.HTTPConnection(origin.hostname or "", origin.port, timeout=120)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            content = response.read()
            if has_statuses:
                content = found.answer(content)
            self.send_response_only(response.status)
            for name, value in response.getheaders():
                if name.lower() not in HOP:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
            connection.close()

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = handle_all

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()

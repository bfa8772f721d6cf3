"""A queue of SQS that records the messages that are sent to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NAME = "/123456789012/dead"


@contextmanager
def queue_server() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the URL of a queue, and its messages."""
    messages: list[dict[str, Any]] = []

    class Sqs(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            messages.append(json.loads(sent["MessageBody"]))
            body = b'{"MessageId": "1"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Log no requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Sqs)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{NAME}", messages
    finally:
        server.shutdown()
        server.server_close()

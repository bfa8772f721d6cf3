"""A fake DynamoDB that answers every call at once with the same response, so that only the client is measured.

`python -m benchmarks.echo PORT ITEMS` runs it in its own process. Its responses contain ITEMS items.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

ID = "6f2f3ac6-3b51-4e0f-8c8a-3d7b1c1b0a01"
PAGE = 25
STATEMENTS = 25
"""Statements of a BatchExecuteStatement, and results in its response."""
TABLE = "messenger-dev-message"
INSERTS = "INSERT"
"""The word in the body of a BatchExecuteStatement that inserts, and the name of its response."""


def item(number: int) -> dict[str, dict[str, str]]:
    """Return a message in the encoding of its table."""
    return {
        "id": {"S": f"6f2f3ac6-3b51-4e0f-8c8a-{number:012d}"},
        "text": {"S": f"message number {number}, of a usual length"},
        "author_id": {"S": ID},
        "version": {"N": "1"},
        "created_at": {"S": f"2026-01-01T00:00:{59 - number % 60:02}.000001Z"},
        "updated_at": {"S": "2026-01-01T00:00:00.000001Z"},
    }


def answers(items: int) -> dict[str, dict[str, object]]:
    """Return operation → response. A page of a query has two items more than requested, so that there are more; a scan has all.

    Statements that insert return no items, so they have a response of their own.
    """
    listed = [item(number) for number in range(items + 2)]
    last = {name: listed[-1][name] for name in ("id", "author_id", "created_at")}
    return {
        "PutItem": {},
        "GetItem": {"Item": item(1)},
        "UpdateItem": {"Attributes": item(1)},
        "DeleteItem": {},
        "Query": {"Items": listed, "Count": items + 2, "ScannedCount": items + 2, "LastEvaluatedKey": last},
        "Scan": {"Items": listed[:items], "Count": items, "ScannedCount": items},
        "BatchGetItem": {"Responses": {TABLE: listed[:items]}, "UnprocessedKeys": {}},
        "BatchWriteItem": {"UnprocessedItems": {}},
        "BatchExecuteStatement": {"Responses": [{"TableName": TABLE, "Item": item(n)} for n in range(STATEMENTS)]},
        INSERTS: {"Responses": [{"TableName": TABLE} for _ in range(STATEMENTS)]},
        "TransactWriteItems": {},
        "DescribeTable": {
            "Table": {"TableName": TABLE, "TableStatus": "ACTIVE", "KeySchema": [], "AttributeDefinitions": []}
        },
    }


def _response(answer: object) -> bytes:
    body = json.dumps(answer, separators=(",", ":")).encode()
    head = (
        "HTTP/1.1 200 OK\r\nServer: echo\r\nContent-Type: application/x-amz-json-1.0\r\n"
        f"x-amz-crc32: {zlib.crc32(body)}\r\nx-amzn-RequestId: 0000\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _serve(connection: socket.socket, responses: dict[bytes, bytes]) -> None:
    buffer = b""
    while True:
        while b"\r\n\r\n" not in buffer:
            received = connection.recv(65536)
            if not received:
                return
            buffer += received
        head, _, buffer = buffer.partition(b"\r\n\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
        }
        length = int(headers.get(b"content-length", b"0"))
        while len(buffer) < length:
            buffer += connection.recv(65536)
        body, buffer = buffer[:length], buffer[length:]
        operation = headers[b"x-amz-target"].rpartition(b".")[2]
        inserts = operation == b"BatchExecuteStatement" and INSERTS.encode() in body
        connection.sendall(responses[INSERTS.encode() if inserts else operation])


def main(port: int, items: int) -> None:
    responses = {operation.encode(): _response(answer) for operation, answer in answers(items).items()}
    listening = socket.create_server(("127.0.0.1", port), backlog=64)
    while True:
        connection, _ = listening.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_serve, args=(connection, responses), daemon=True).start()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(items: int = PAGE) -> Iterator[str]:
    """Start such a server. Yield its URL."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.echo", str(port), str(items)])
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(5)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))

"""The lower bound: the same answers by one ASGI function, sqlite3 and msgspec, without routes, validation, rules or errors.

Run it with `uvicorn benchmarks.peers.bare_asgi:app`.
"""

import sqlite3
from datetime import UTC, datetime
from urllib.parse import parse_qsl
from uuid import uuid4

import msgspec

from .messages_table import message, opened

opened().dispose()
connection = sqlite3.connect("peer.db", isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA synchronous = NORMAL")

NAMES = tuple(message.c.keys())
COLUMNS = ", ".join(NAMES)
READ = f"SELECT {COLUMNS} FROM message WHERE id = ?"
SEARCH = f"SELECT {COLUMNS} FROM message WHERE author_id = ? ORDER BY created_at DESC, id LIMIT ?"
INSERT = f"INSERT INTO message ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode


def answer(method: str, path: str, query: str, body: bytes) -> tuple[int, bytes]:
    if method == "POST":
        given, now = decode(body), datetime.now(UTC).isoformat()
        row = (str(uuid4()), given["text"], given["author_id"], 0, 1, now, now)
        connection.execute(INSERT, row)
        return 201, encode(dict(zip(NAMES, row, strict=True)))
    if path == "/api/message":
        asked = dict(parse_qsl(query))
        rows = connection.execute(SEARCH, (asked["author_id"], int(asked["limit"]))).fetchall()
        return 200, encode({"items": [dict(zip(NAMES, row, strict=True)) for row in rows]})
    row = connection.execute(READ, (path[13:],)).fetchone()
    return 200, encode(dict(zip(NAMES, row, strict=True)))


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    message = await receive()
    status, body = answer(scope["method"], scope["path"], scope["query_string"].decode(), message["body"])
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

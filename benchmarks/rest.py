"""Requests a second of one worker over the same SQLite data: persisty against FastAPI with SQLModel."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from .echo import free_port
from .load import requests_per_second
from .measure import Row, row

TARGET = 8
SECONDS, ROUNDS = 2.0, 3
ROOT = Path(__file__).parents[1]
AUTHOR = "6f2f3ac6-3b51-4e0f-8c8a-3d7b1c1b0a01"
QUERY = f"/api/message?author_id={AUTHOR}&limit=25"
SERVERS = {
    "persisty": ["-m", "persisty", "serve", "benchmarks.messages:app", "--seed", "benchmarks.rest:seed", "--port"],
    "FastAPI + SQLModel": [
        "-m", "uvicorn", "benchmarks.peers.fastapi_sqlmodel:app", "--no-access-log", "--log-level", "warning", "--port",
    ],
}  # fmt: skip
SEARCHES = {"persisty": f"{QUERY}&order=-created_at", "FastAPI + SQLModel": QUERY}


def seed(app: object) -> int:
    """What the peer starts with, too."""
    from benchmarks.messages import Message
    from benchmarks.messages import app as messenger
    from persisty import Create

    for start in range(0, 500, 100):
        batch = [Create({"text": f"note {number}", "author_id": AUTHOR}) for number in range(start, start + 100)]
        messenger.store(Message).edit_batch(batch)
    return 500


def rows() -> Iterator[Row]:
    found: dict[str, dict[str, list[float]]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        _serving("persisty", folder) as ours,
        _serving("FastAPI + SQLModel", folder) as theirs,
    ):
        ports = {"persisty": ours, "FastAPI + SQLModel": theirs}
        for _ in range(ROUNDS):
            for name, port in ports.items():
                for work, request in _requests(name, port).items():
                    found.setdefault(work, {}).setdefault(name, []).append(requests_per_second(port, request, SECONDS))
    for work, rates in found.items():
        best = {name: sorted(measured)[len(measured) // 2] for name, measured in rates.items()}
        yield row(
            f"REST {work}, req/s",
            "FastAPI + SQLModel",
            best["persisty"],
            best["FastAPI + SQLModel"],
            least=TARGET,
            unit="req/s",
        )


def _requests(name: str, port: int) -> dict[str, bytes]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{SEARCHES[name]}") as answer:
        page = msgspec.json.decode(answer.read())
    key = (page["items"] if isinstance(page, dict) else page)[0]["id"]
    body = msgspec.json.encode({"text": "hello", "author_id": "00000000-0000-4000-8000-000000000000"})
    post = f"POST /api/message HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return {
        "GET by key": f"GET /api/message/{key} HTTP/1.1\r\nHost: b\r\n\r\n".encode(),
        "search page of 25": f"GET {SEARCHES[name]} HTTP/1.1\r\nHost: b\r\n\r\n".encode(),
        "POST": post.encode() + body,
    }


@contextmanager
def _serving(name: str, folder: str) -> Iterator[int]:
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PERSISTY_LOG_LEVEL": "WARNING"}
    command = [sys.executable, *SERVERS[name], str(port)]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    try:
        for _ in range(150):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.2)
        time.sleep(0.5)
        yield port
    finally:
        process.terminate()
        process.wait(10)

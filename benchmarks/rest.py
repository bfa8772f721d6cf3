"""Requests that one worker answers in a second of its CPU, over the same SQLite data.

The peers are FastAPI with SQLModel, Litestar with msgspec and SQLAlchemy Core, and a bare ASGI function that only runs the query and
encodes the JSON.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from .echo import free_port
from .load import requests_per_second
from .measure import Row, row
from .served import AUTHOR

SECONDS, ROUNDS = 1.5, 5
ROOT = Path(__file__).parents[1]
QUERY = f"/api/message?author_id={AUTHOR}&limit=25"
OURS = "persisty"
UVICORN = ("-m", "uvicorn", "--no-access-log", "--log-level", "warning")
SERVERS = {
    OURS: ("-m", "persisty", "serve", "benchmarks.served:app", "--seed", "benchmarks.served:seed", "--no-access-log"),
    "FastAPI + SQLModel": (*UVICORN, "benchmarks.peers.fastapi_sqlmodel:app"),
    "Litestar + msgspec + Core": (*UVICORN, "benchmarks.peers.litestar_core:app"),
    "bare ASGI function": (*UVICORN, "benchmarks.peers.bare_asgi:app"),
}


def rows() -> Iterator[Row]:
    found: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = {name: stack.enter_context(_serving(name, folder / str(at))) for at, name in enumerate(SERVERS)}
        requests = {name: _requests(name, port) for name, (port, _) in servers.items()}
        for _ in range(ROUNDS):
            for work in requests[OURS]:
                for name, (port, process) in servers.items():
                    rate = requests_per_second(port, requests[name][work], SECONDS, process)
                    found.setdefault(work, {}).setdefault(name, []).append(rate)
    for peer in [name for name in SERVERS if name != OURS]:
        for work, rates in found.items():
            ours, theirs = (statistics.median(rates[name]) for name in (OURS, peer))
            yield row(f"REST {work}, req/s", peer, ours, theirs, unit="req/s")


def _requests(name: str, port: int) -> dict[str, bytes]:
    asked = f"{QUERY}&order=-created_at" if name == OURS else QUERY
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{asked}") as answer:
        page = msgspec.json.decode(answer.read())
    items = page["items"] if isinstance(page, dict) else page
    if len(items) != 25:
        raise RuntimeError(f"{name} answers {len(items)} items")
    body = msgspec.json.encode({"text": "hello", "author_id": "00000000-0000-4000-8000-000000000000"})
    post = f"POST /api/message HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return {
        "GET by key": f"GET /api/message/{items[0]['id']} HTTP/1.1\r\nHost: b\r\n\r\n".encode(),
        "search page of 25": f"GET {asked} HTTP/1.1\r\nHost: b\r\n\r\n".encode(),
        "POST": post.encode() + body,
    }


@contextmanager
def _serving(name: str, folder: Path) -> Iterator[tuple[int, int]]:
    folder.mkdir()
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PERSISTY_LOG_LEVEL": "WARNING"}
    command = [sys.executable, *SERVERS[name], "--port", str(port)]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    try:
        for _ in range(150):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.2)
        time.sleep(0.5)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(10)

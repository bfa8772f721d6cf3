"""An export is sent as it is produced, other requests are served meanwhile, and it ends when the client disconnects."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import uvicorn

from lambdas.http_event import answer_of
from persisty import App, Create, public, stored
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest
from persisty.api.rest.paging import PAGE
from persisty.hosting.server import Server
from persisty.hosting.streaming import stream
from persisty.hosting.uvicorn_protocols import Protocol
from persisty.store.store import context_of

LINES = "application/x-ndjson"
PAGES = 24


@stored(access=public)
class Entry:
    id: str
    text: str = "x" * 1000


def entries(pages: int) -> App:
    app = App("log", items=[Entry], url="memory://")
    for start in range(0, pages * PAGE, 100):
        app.store(Entry).edit_batch([Create({"id": f"{number:06}"}) for number in range(start, start + 100)])
    return app


class Made:
    """Chunks that record the thread of their production, and whether they were closed."""

    def __init__(self, count: int) -> None:
        self.threads: list[threading.Thread] = []
        self.closed = False
        self.chunks = self._make(count)

    def _make(self, count: int) -> Iterator[bytes]:
        try:
            for number in range(count):
                self.threads.append(threading.current_thread())
                yield b"%d" % number
        finally:
            self.closed = True


def run(made: Made, here: bool, leaves: Callable[[list[bytes]], bool], meanwhile: list[int] | None = None) -> list[Any]:
    """Return the bytes sent to a client that disconnects after some chunks."""
    sent: list[Any] = []

    async def serve() -> None:
        left = asyncio.Event()

        async def receive() -> Any:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)
            if leaves([one["body"] for one in sent]):
                left.set()

        async def other() -> None:
            for _ in range(3):
                await asyncio.sleep(0)
                (meanwhile if meanwhile is not None else []).append(len(sent))

        await asyncio.gather(stream(made.chunks, here, receive, send), other())

    asyncio.run(serve())
    return sent


@pytest.mark.parametrize("here", [True, False])
def test_chunks_are_sent_one_by_one_and_produced_in_the_loop_or_a_thread(here: bool) -> None:
    made = Made(4)
    sent = run(made, here, lambda bodies: False)
    assert [one["body"] for one in sent] == [b"0", b"1", b"2", b"3", b""]
    assert [one.get("more_body", False) for one in sent] == [True] * 4 + [False]
    in_loop = [thread is threading.main_thread() for thread in made.threads]
    assert in_loop == [here, *[False] * (len(in_loop) - 1)]  # a later page may take a filter long to find
    assert made.closed


def test_other_requests_are_served_between_two_chunks() -> None:
    meanwhile: list[int] = []
    sent = run(Made(10), True, lambda bodies: False, meanwhile)
    assert len(meanwhile) == 3
    assert max(meanwhile) <= 3 < len(sent)  # three turns of another task take no longer than three chunks


@pytest.mark.parametrize("here", [True, False])
def test_no_chunk_is_produced_for_a_disconnected_client(here: bool) -> None:
    made = Made(1000)
    sent = run(made, here, lambda bodies: len(bodies) == 3)
    assert made.closed
    assert 3 <= len(sent) <= 5
    assert len(made.threads) == len(sent)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[App, int]]:
    app = entries(PAGES)
    config = uvicorn.Config(Server(app), port=0, http=Protocol, log_level="warning", server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield app, server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)


def test_a_client_gets_every_line_and_the_end_of_the_stream(served: tuple[App, int]) -> None:
    url = f"http://127.0.0.1:{served[1]}/api/entry"
    for coding in ("identity", "gzip"):
        headers = {"accept": LINES, "accept-encoding": coding}
        with httpx.stream("GET", url, params={"order": "id"}, headers=headers) as answer:
            assert (answer.status_code, answer.headers["content-type"]) == (200, LINES)
            assert answer.headers["transfer-encoding"] == "chunked"
            assert answer.headers.get("content-encoding", "identity") == coding
            found = [json.loads(line)["id"] for line in answer.iter_lines()]
        assert found == [f"{number:06}" for number in range(PAGES * PAGE)]
    head = httpx.head(url, headers={"accept": LINES})
    assert (head.status_code, head.content) == (200, b"")
    refused = httpx.get(url, params={"limit": 1}, headers={"accept": LINES})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_query")


def test_an_export_ends_when_its_client_disconnects_and_others_are_served_meanwhile(served: tuple[App, int]) -> None:
    app, port = served
    asked: list[None] = []
    backend: Any = context_of(app.store(Entry)).backend
    query = backend.query

    def noted(*given: Any, **named: Any) -> Any:
        asked.append(None)
        return query(*given, **named)

    backend.query = noted
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /api/entry HTTP/1.1\r\nhost: a\r\naccept: application/x-ndjson\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        # who does not read holds up the making of more, and nobody else
        assert httpx.get(f"http://127.0.0.1:{port}/api/entry/000000").status_code == 200
    for _ in range(3):
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    del backend.query
    assert 1 <= len(asked) < PAGES


def test_a_function_on_aws_returns_what_the_server_streams() -> None:
    rest = Rest(entries(2))
    for coding in ("", "gzip"):
        request = Request("GET", "/api/entry", "order=id", {"accept": LINES, "accept-encoding": coding})
        streamed = rest.handle(request)
        assert streamed.chunks is not None
        whole = b"".join(streamed.chunks)
        answer = answer_of(rest.handle(request))
        if coding:
            assert (answer["isBase64Encoded"], b64decode(answer["body"])) == (True, whole)
            whole = gzip.decompress(whole)
        else:
            assert (answer["isBase64Encoded"], answer["body"].encode()) == (False, whole)
        assert len(whole.splitlines()) == 2 * PAGE

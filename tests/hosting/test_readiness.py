"""`/health` is 200 while the process runs. `/ready` is 200 only if the engine responds, which is checked rarely."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from persisty import App, BackendUnavailable, owned, public, stored
from persisty.api.http.messages import Request
from persisty.hosting.readiness import Readiness, readiness_response
from persisty.hosting.server import Server
from persisty.store.connection import Connection
from tests.conformance.engines import ENGINES

from .test_server import ask


@stored(access=public)
class Note:
    id: str


@stored(key=("place", "day"), access=owned("writer"))
class Visit:
    place: int
    day: str
    writer: str


class Engine:
    """An engine that responds when the test allows it, or fails. Counts its queries."""

    embedded, deployed = True, False

    def __init__(self) -> None:
        self.asked, self.fails = 0, False
        self.lets = threading.Event()
        self.lets.set()

    def open(self, meta: Any) -> Engine:
        return self

    def query(self, *given: Any, **named: Any) -> None:
        self.asked += 1
        self.lets.wait(10)
        if self.fails:
            raise BackendUnavailable("down")

    def prepare(self, metas: Any) -> None: ...
    def verify(self, metas: Any) -> None: ...
    def check_writes(self) -> None: ...
    def close(self) -> None: ...


@pytest.fixture
def app() -> App:
    app = App("notes", items=[Note], url="memory://")
    app._engines.connections[None] = Connection(Engine())  # type: ignore[arg-type]
    return app


def engine_in(app: App) -> Engine:
    return app.engine  # type: ignore[return-value]


def serving(app: App, **options: Any) -> Readiness:
    readiness = Readiness(app, **options)
    readiness.stage = "serving"
    return readiness


def test_the_engine_is_checked_only_while_serving(app: App) -> None:
    readiness = Readiness(app)
    for stage in ("starting", "draining"):
        readiness.stage = stage
        assert asyncio.run(readiness.missing()) == stage
        told = readiness_response(stage, Request("GET", "/ready"))
        assert (told.status, told.headers["retry-after"]) == (503, "1")
        assert b'"code":"not_ready"' in told.body
        assert f'"reason":"{stage}"'.encode() in told.body
    assert engine_in(app).asked == 0


def test_the_engine_is_checked_once_for_many_requests(app: App) -> None:
    now = [100.0]
    readiness = serving(app, clock=lambda: now[0])

    async def run() -> None:
        assert await asyncio.gather(*(readiness.missing() for _ in range(20))) == [None] * 20
        assert engine_in(app).asked == 1
        engine_in(app).fails = True
        now[0] += 0.9
        assert await readiness.missing() is None
        now[0] += 0.2
        assert await readiness.missing() == "engine"
        engine_in(app).fails = False
        now[0] += 1.1
        assert await readiness.missing() is None

    asyncio.run(run())
    assert engine_in(app).asked == 3


def test_an_engine_that_does_not_respond_is_not_ready_and_not_checked_again(app: App) -> None:
    readiness = serving(app, patience=0.05)
    engine_in(app).lets.clear()

    async def run() -> None:
        assert [await readiness.missing() for _ in range(3)] == ["engine"] * 3
        assert engine_in(app).asked == 1
        engine_in(app).lets.set()
        for _ in range(200):
            if await readiness.missing() is None:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("never ready")

    asyncio.run(run())


def test_a_disconnected_client_does_not_cancel_the_check(app: App) -> None:
    readiness = serving(app)
    engine_in(app).lets.clear()

    async def run() -> None:
        leaves = asyncio.ensure_future(readiness.missing())
        await asyncio.sleep(0.01)
        stays = asyncio.ensure_future(readiness.missing())
        await asyncio.sleep(0)
        leaves.cancel()
        await asyncio.sleep(0)
        engine_in(app).lets.set()
        assert await stays is None

    asyncio.run(run())


def test_liveness_needs_neither_the_engine_nor_credentials(app: App) -> None:
    app._engines.connections.clear()
    app._engines.url = "nonsense://"
    assert ask(app, "GET", "/health", headers={"authorization": "Bearer nonsense"}).json() == {"status": "ok"}
    assert ask(app, "GET", "/ready").json()["reason"] == "starting"


def test_a_server_is_ready_from_its_start_to_its_end(messenger: App) -> None:
    async def run() -> None:
        server = Server(messenger)
        sent: asyncio.Queue[Any] = asyncio.Queue()
        told: asyncio.Queue[Any] = asyncio.Queue()
        life = asyncio.ensure_future(server({"type": "lifespan", "state": {}}, told.get, sent.put))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(server), base_url="http://test") as client:
            assert (await client.get("/ready")).status_code == 503
            await told.put({"type": "lifespan.startup"})
            assert (await sent.get())["type"] == "lifespan.startup.complete"
            ready = await client.get("/ready")
            assert (ready.status_code, ready.json(), ready.headers["cache-control"]) == (
                200,
                {"status": "ready"},
                "no-store",
            )
            head = await client.head("/ready")
            assert (head.status_code, head.content) == (200, b"")
            asked = await client.options("/ready")
            assert (asked.status_code, asked.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
            refused = await client.post("/ready")
            assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
            await told.put({"type": "lifespan.shutdown"})
            await sent.get()
            await life
            assert (await client.get("/ready")).json()["reason"] == "draining"

    asyncio.run(run())


@pytest.mark.parametrize("name", ["memory", "sqlite", "postgresql", "dynamodb-moto"])
def test_every_engine_is_ready_once_tables_exist(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server, url = ENGINES[name]
    place = tmp_path if server == "sqlite_folder" else server and request.getfixturevalue(server)
    app = App("ready", items=[Visit, Note], url=url.format(place=place, process=os.getpid(), stage="ready"))
    try:
        if name in {"postgresql", "dynamodb-moto"}:  # the others make theirs when they are opened
            assert asyncio.run(serving(app).missing()) == "engine"
        app.prepare()
        assert asyncio.run(serving(app).missing()) is None
        app.store(Visit).create({"place": 1, "day": "monday", "writer": "ann"})
        assert asyncio.run(serving(app).missing()) is None
    finally:
        app.close()

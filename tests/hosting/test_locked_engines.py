"""A server on SQLite whose file is locked by another process or by long transactions of actions, is deleted, or is on a full disk."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from servey.action.action import action
from servey.trigger.web_trigger import WEB_POST

from persisty import App, everyone, public, stored
from persisty.backends.sql import sqlite_connection
from persisty.hosting import embedded_calls
from persisty.hosting.server import Server


@stored(access=public)
class Note:
    id: str
    text: str = ""


GATE = threading.Event()
BEGUN = threading.Event()


@action(access_control=everyone, triggers=(WEB_POST,))
def long_transaction() -> str:
    with APP.transaction():
        APP.store(Note).create(Note(id="of the action"))
        BEGUN.set()
        GATE.wait(10)
    return "done"


APP = App("notes", items=[Note], actions=[long_transaction], url="memory://")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    APP.use(f"sqlite:///{tmp_path}/notes.db")
    APP.prepare()
    GATE.clear()
    BEGUN.clear()
    yield tmp_path / "notes.db"
    GATE.set()
    APP.use("memory://")


@pytest.fixture
def lock(path: Path) -> Iterator[sqlite3.Connection]:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    yield holder
    holder.close()


Talk = Callable[[httpx.AsyncClient], Awaitable[None]]


def talking(talk: Talk) -> None:
    async def run() -> None:
        server = Server(APP)
        server.readiness.stage = "serving"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(server), base_url="http://test") as client:
            await talk(client)

    asyncio.run(run())


async def answers_at_once(client: httpx.AsyncClient) -> None:
    """Check health, reads and GraphQL queries. A write that waits would take seconds."""
    begun = time.monotonic()
    for _ in range(5):
        for path in ("/health", "/api/note?limit=5", "/api/note-count", "/ready"):
            assert (await client.get(path)).status_code == 200
        asked = await client.post("/graphql", json={"query": "{ noteCount }"})
        assert "errors" not in asked.json()
    assert time.monotonic() - begun < 2


def post(client: httpx.AsyncClient, key: str) -> Any:
    return client.post("/api/note", json={"id": key})


def test_reads_are_served_and_writes_wait_while_another_process_has_the_lock(lock: sqlite3.Connection) -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        mutation = {"query": 'mutation { noteCreate(item: {id: "graphql"}) { id } }'}
        waiting = [asyncio.create_task(post(client, str(one))) for one in range(50)]
        waiting.append(asyncio.create_task(client.post("/graphql", json=mutation)))
        await asyncio.sleep(0.1)
        await answers_at_once(client)
        assert not any(one.done() for one in waiting)
        lock.execute("COMMIT")
        assert [one.status_code for one in await asyncio.gather(*waiting)] == [201] * 50 + [200]
        assert (await client.get("/api/note-count")).json() in (51, {"count": 51})

    talking(talk)


def test_a_lock_that_is_not_released_is_503_with_retry_after(
    lock: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_connection, "MAX_WAIT", 0.1)

    async def talk(client: httpx.AsyncClient) -> None:
        refused = await post(client, "a")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["code"] == "backend_unavailable"
        await answers_at_once(client)

    talking(talk)


def test_too_many_waiting_writes_are_503_at_once(lock: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_calls, "THREADS", 1)
    monkeypatch.setattr(embedded_calls, "MAX_WAITING", 1)

    async def talk(client: httpx.AsyncClient) -> None:
        waiting = [asyncio.create_task(post(client, str(one))) for one in range(5)]
        await asyncio.sleep(0.2)
        refused = [one.result() for one in waiting if one.done()]
        assert [(one.status_code, one.headers["retry-after"]) for one in refused] == [(503, "1")] * 3
        lock.execute("COMMIT")
        assert sorted(one.status_code for one in await asyncio.gather(*waiting)) == [201] * 2 + [503] * 3

    talking(talk)


def test_reads_are_served_and_writes_wait_while_an_action_is_in_a_transaction(path: Path) -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        running = asyncio.create_task(client.post("/actions/long-transaction", json={}))
        while not BEGUN.is_set():
            await asyncio.sleep(0.01)
        waiting = asyncio.create_task(post(client, "a"))
        await asyncio.sleep(0.05)
        await answers_at_once(client)
        assert (await client.get("/api/note/of%20the%20action")).status_code == 404  # it is not committed
        assert not waiting.done()
        GATE.set()
        assert (await running).status_code == 200
        assert (await waiting).status_code == 201
        assert (await client.get("/api/note/of%20the%20action")).status_code == 200

    talking(talk)


def test_a_full_disk_is_not_ready_and_no_response_has_the_engines_message(path: Path) -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        connection: Any = APP.engine._connection  # type: ignore[attr-defined]
        connection.rows("PRAGMA max_page_count = 1")
        refused = await client.post("/api/note", json={"id": "a", "text": "x" * 100_000})
        assert refused.status_code == 503
        assert "database or disk is full" not in refused.text
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()["reason"]) == (503, "engine")
        assert (await client.get("/api/note?limit=5")).status_code == 200
        connection.rows("PRAGMA max_page_count = 100000")
        await asyncio.sleep(1.1)  # an answer of the engine is cached for a second
        assert (await post(client, "a")).status_code == 201
        assert (await client.get("/ready")).status_code == 200

    talking(talk)


def test_a_deleted_file_is_not_ready_and_accepts_no_writes(path: Path) -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        assert (await post(client, "a")).status_code == 201
        path.unlink()
        await asyncio.sleep(sqlite_connection.FILE_CHECK)
        assert (await post(client, "b")).status_code == 503
        assert (await client.get("/ready")).status_code == 503
        assert not path.exists()

    talking(talk)

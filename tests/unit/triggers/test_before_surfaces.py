"""Before triggers through REST and GraphQL: errors reach the caller, and no action runs in the event loop of a server on SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servey.action.action import action
from starlette.testclient import TestClient

from persisty import BeforeCreate, Event
from persisty.hosting.server import Server
from tests import tokens

from .shop import ACTIONS, Audit, Book, app_at, apps, seen

in_loop: list[bool] = []


@action(triggers=BeforeCreate(Audit))
def where(event: Event[Audit]) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        in_loop.append(False)
    else:
        in_loop.append(True)


@pytest.fixture(params=["memory", "sqlite"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestClient]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/shop.db"
    app = app_at(url, [*ACTIONS, where])
    app.authenticator = tokens.authenticator()
    in_loop.clear()
    with TestClient(Server(app), raise_server_exceptions=False) as made:
        yield made


def graphql(client: TestClient, document: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.post("/graphql", json={"query": document}).json()
    return answer


def test_rest_answers_with_the_error_of_the_action(client: TestClient) -> None:
    refused = client.post("/api/book", json={"id": "a", "title": "refused"})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    invalid = client.post("/api/book", json={"id": "a", "title": "invalid"})
    assert invalid.status_code == 422
    assert "/pages" in {one["path"] for one in invalid.json()["faults"]}
    broken = client.post("/api/book", json={"id": "a", "title": "broken"})
    assert (broken.status_code, broken.json()["code"]) == (500, "internal_error")
    assert "secret" not in broken.text
    assert client.get("/api/book/a").status_code == 404


def test_rest_answers_with_the_item_that_the_action_made(client: TestClient) -> None:
    made = client.post("/api/book", json={"id": "a", "title": "as changes"})
    assert (made.status_code, made.json()["pages"]) == (201, 7)
    assert client.get("/api/book/a", headers={"If-None-Match": made.headers["etag"]}).status_code == 304
    client.post("/api/book", json={"id": "kept", "title": "kept"})
    assert client.delete("/api/book/kept").status_code == 409


def test_graphql_answers_with_the_error_of_the_action(client: TestClient) -> None:
    refused = graphql(client, 'mutation { bookCreate(item: {id: "a", title: "refused"}) { id } }')
    assert refused["errors"][0]["extensions"]["code"] == "conflict"
    made = graphql(client, 'mutation { bookCreate(item: {id: "a", title: "as changes"}) { pages } }')
    assert made == {"data": {"bookCreate": {"pages": 7}}}
    assert apps[0].store(Book).count() == 1


def test_an_action_of_sqlite_runs_outside_of_the_event_loop(client: TestClient) -> None:
    assert client.post("/api/audit", json={"id": "a"}).status_code == 201
    assert client.post("/api/audit", json={"id": "a"}).status_code == 409
    if apps[0].url.startswith("sqlite"):
        assert in_loop == [False, False]
    assert len(seen) == 0

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

from .shop import ACTIONS, STOPS, Audit, Book, app_at, apps, seen

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


def test_a_not_found_of_the_action_is_an_error_of_every_surface(client: TestClient) -> None:
    client.post("/api/book", json={"id": "a"})
    client.post("/api/book", json={"id": "kept", "title": "kept", "tags": ["no customer"]})
    for refused in (client.patch("/api/book/a", json={"title": "no customer"}), client.delete("/api/book/kept")):
        assert refused.status_code == 404
        assert (refused.json()["code"], refused.json()["detail"]) == ("not_found", "No such customer")
    for document in (
        'mutation { bookUpdate(key: "a", changes: {title: "no customer"}) { id } }',
        'mutation { bookDelete(key: "kept") }',
    ):
        [error] = graphql(client, document)["errors"]
        assert (error["message"], error["extensions"]["code"]) == ("No such customer", "not_found")
    assert "detail" not in client.patch("/api/book/b", json={"title": "no customer"}).json()


@pytest.mark.parametrize("title", [*STOPS, "interrupt", "broken half"])
def test_no_exception_of_an_action_ends_the_request_without_a_problem_document(client: TestClient, title: str) -> None:
    broken = client.post("/api/book", json={"id": "a", "title": title})
    assert (broken.status_code, broken.json()["code"]) == (500, "internal_error")
    assert "secret" not in broken.text
    answer = graphql(client, f'mutation {{ bookCreate(item: {{id: "a", title: "{title}"}}) {{ id }} }}')
    assert answer["errors"][0]["extensions"]["code"] == "internal_error"
    edits = {"edits": [{"create": {"id": one, "title": what}} for one, what in [("a", title), ("b", "")]]}
    answer = client.post("/api/book-batch", json=edits).json()
    assert [one["code"] for one in answer["results"]] == ["internal_error", "ok"]


def test_half_a_surrogate_pair_in_an_error_is_replaced(client: TestClient) -> None:
    title = "half a pair"
    refused = client.post("/api/book", json={"id": "a", "title": title})
    document = refused.json()
    assert (refused.status_code, document["detail"], document["half"]) == (409, "not \ufffd this one", ["\ufffd"])
    assert document["faults"] == [{"path": "/\ufffd", "message": "half \ufffd"}]
    answer = graphql(client, f'mutation {{ bookCreate(item: {{id: "a", title: "{title}"}}) {{ id }} }}')
    assert answer["errors"][0]["message"] == "not \ufffd this one"
    answer = client.post("/api/book-batch", json={"edits": [{"create": {"id": "a", "title": title}}]}).json()
    assert answer["results"][0]["detail"] == "not \ufffd this one"


def test_an_action_of_sqlite_runs_outside_of_the_event_loop(client: TestClient) -> None:
    assert client.post("/api/audit", json={"id": "a"}).status_code == 201
    assert client.post("/api/audit", json={"id": "a"}).status_code == 409
    if apps[0].url.startswith("sqlite"):
        assert in_loop == [False, False]
    assert len(seen) == 0

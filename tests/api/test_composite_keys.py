"""A key with another number of parts than the item's: the 404 names the parts, and says nothing about other items."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from persisty import App, Attr, Delete, Update, authenticated, public, stored
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest


@stored(key=("room", "at"), access=public)
class Slot:
    room: Attr[str]
    at: Attr[int]
    note: Attr[str] = Attr(default="")


@stored(key=("room", "at"), access=authenticated)
class Closed:
    room: Attr[str]
    at: Attr[int]


@stored(access=public)
class Note:
    id: Attr[str]


@pytest.fixture
def app() -> Iterator[App]:
    app = App("rooms", items=[Slot, Closed, Note], url="memory://")
    app.store(Slot).create(Slot(room="a/b", at=7))
    yield app
    app.close()


def send(app: App, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    content = b"" if body is None else json.dumps(body).encode()
    response = Rest(app).handle(Request(method, path, "", {"content-type": "application/json"}, content))
    return response.status, json.loads(response.body) if response.body else None


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize(("key", "found"), [("a/b", "1 part"), ("a/b/7", "1 part"), ("a~b~7", "3 parts"), ("7", "1 part")])  # fmt: skip
def test_another_number_of_parts_is_named(app: App, method: str, key: str, found: str) -> None:
    status, body = send(app, method, f"/api/slot/{key}", {} if method == "PATCH" else None)
    assert (status, body["code"]) == (404, "not_found")
    [fault] = body["faults"]
    assert (fault["path"], fault["expected"], fault["found"]) == ("/key", "{room}~{at}", found)


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["slot/x~7", "slot/a%2Fb~8", "slot/a~x", "slot/~", "note/a~b"])
def test_a_key_with_all_parts_that_no_item_has_is_a_plain_404(app: App, method: str, path: str) -> None:
    status, body = send(app, method, f"/api/{path}", {} if method == "PATCH" else None)
    assert (status, body) == (404, {"code": "not_found", "status": 404, "title": "Not found"})


def test_a_caller_without_access_learns_nothing(app: App) -> None:
    status, body = send(app, "GET", "/api/closed/a")
    assert status in (401, 403)
    assert "faults" not in body


@pytest.mark.parametrize("atomic", [False, True])
def test_an_edit_of_a_batch_names_them_too(app: App, atomic: bool) -> None:
    edits = [{"update": {"key": "a", "changes": {"note": "x"}}}, {"delete": {"key": "x~1"}}]
    _, body = send(app, "POST", "/api/slot-batch", {"edits": edits, "atomic": atomic})
    first, second = body["results"]
    assert (first["code"], first["faults"][0]["path"]) == ("not_found", "/edits/0/update/key")
    assert second["code"] == ("aborted" if atomic else "not_found")
    assert "faults" not in second
    _, body = send(app, "POST", "/api/-batch", {"edits": [{"store": "slot", **one} for one in edits], "atomic": atomic})
    assert body["results"][0]["faults"][0]["path"] == "/edits/0/update/key"


def test_the_correct_key_works(app: App) -> None:
    assert send(app, "GET", "/api/slot/a%2Fb~7")[0] == 200
    results = app.store(Slot).edit_batch([Update(("a/b", 7), {"note": "y"}), Delete("a")])
    assert [one.code for one in results] == ["ok", "not_found"]

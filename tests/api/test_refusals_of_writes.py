"""The messages of rejected writes: each names the verb or the attributes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from persisty import Access, App, Caller, Unique, everyone, owned, stored
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest

ANN, BOB = Caller("ann"), Caller("bob")


@stored(
    access=Access(read=everyone, create=owned("by"), update=owned("by"), delete=owned("by")),
    indexes=[Unique("isbn"), Unique("shelf", "place")],
)
class Copy:
    id: str
    by: str
    isbn: str
    shelf: str = "a"
    place: int = 1


@pytest.fixture(params=["memory://", "sqlite://"])
def rest(request: pytest.FixtureRequest) -> Iterator[Rest]:
    app = App("refusals", items=[Copy], url=request.param)
    app.prepare()
    app.store(Copy).create(Copy(id="c", by="ann", isbn="1"))
    yield Rest(app)
    app.close()


def refusal(rest: Rest, method: str, path: str, body: object, caller: Caller) -> tuple[int, str]:
    headers = {"content-type": "application/json"}
    response = rest.handle(Request(method, path, "", headers, json.dumps(body).encode(), caller))
    return response.status, json.loads(response.body)["detail"]


@pytest.mark.parametrize(("method", "verb"), [("PATCH", "update"), ("DELETE", "delete")])
def test_a_write_to_an_item_of_another_owner_names_the_verb(rest: Rest, method: str, verb: str) -> None:
    assert refusal(rest, method, "/api/copy/c", {"shelf": "b"}, BOB) == (403, f"Not allowed: {verb} of copy")


def test_a_conflict_names_the_attributes_that_are_taken(rest: Rest) -> None:
    new = {"id": "d", "by": "ann", "isbn": "2"}
    assert refusal(rest, "POST", "/api/copy", {**new, "id": "c", "place": 2}, ANN) == (409, "id is already taken")
    assert refusal(rest, "POST", "/api/copy", {**new, "isbn": "1", "place": 2}, ANN) == (409, "isbn is already taken")
    assert refusal(rest, "POST", "/api/copy", new, ANN) == (409, "shelf, place are already taken together")

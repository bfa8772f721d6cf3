"""`GET /api/` is an index of the stores and actions. Every path in it has a response, and it has nothing that is not offered."""

from __future__ import annotations

from msgspec import json

from persisty import App
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest

from .conftest import Secret


def index(rest: Rest, root: str = "") -> dict[str, object]:
    answer = rest.handle(Request("GET", "/api/", root=root))
    assert answer.status == 200
    found: dict[str, object] = json.decode(answer.body)
    return found


def test_the_index_lists_the_offered_stores_and_actions(rest: Rest) -> None:
    found = index(rest)
    stores = {one["name"]: one for one in found["stores"]}  # type: ignore[attr-defined]
    assert found["openapi"] == "/openapi.json"
    assert "secret" not in stores
    assert stores["thing"]["href"] == "/api/thing"
    assert stores["thing"]["verbs"]["update"] == "PATCH /api/thing/{key}"
    assert set(stores["rule"]["verbs"]) == {"read", "search", "count", "read_batch"}
    assert {one["href"] for one in found["actions"]} == {  # type: ignore[attr-defined]
        "/actions/add", "/actions/repeat", "/actions/forbidden", "/actions/broken",
    }  # fmt: skip
    for one in stores.values():
        assert rest.handle(Request("GET", one["href"])).status == 200


def test_the_index_below_a_root_path_and_of_an_empty_app(rest: Rest) -> None:
    assert index(rest, "/shop")["openapi"] == "/shop/openapi.json"
    empty = Rest(App("empty", items=[Secret], url="memory://"))
    assert index(empty) == {"app": "empty", "openapi": "/openapi.json", "stores": []}

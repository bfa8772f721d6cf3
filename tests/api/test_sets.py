"""Sets in responses: one order on every surface, whether or not Python can compare the members."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest
from msgspec import Struct

from persisty import App, Attr, public, stored
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request, encode
from persisty.api.rest.endpoint import Rest

JSON = {"content-type": "application/json"}
LINES = {"accept": "application/x-ndjson"}


class Role(Enum):
    WRITER = "writer"
    READER = "reader"
    OWNER = "owner"


class Point(Struct, frozen=True, omit_defaults=True, rename="camel"):
    left_side: int = 0
    above: str | None = None


class Group(Struct):
    names: set[str | None]
    roles: frozenset[Role] = frozenset()


NAIVE, AWARE = "2020-01-01T00:00:00", "2020-01-01T00:00:00Z"
SETS: list[tuple[Any, Any, Any]] = [
    (set[Role], ["writer", "reader", "owner"], ["owner", "reader", "writer"]),
    (set[str | None], ["b", None, "a"], ["a", "b", None]),
    (set[int | str], ["b", 2, "a", 10], ["a", "b", 10, 2]),
    (set[int], [10, 2, 1], [1, 2, 10]),
    (set[Any], ["a", 1], ["a", 1]),
    (set, ["a", 1], ["a", 1]),
    (frozenset[Role], ["writer", "owner"], ["owner", "writer"]),
    (set[datetime], [NAIVE, AWARE], [AWARE]),
    (frozenset[datetime], [NAIVE, AWARE], [AWARE]),
    (set[Point], [{"leftSide": 2}, {"leftSide": 1, "above": "x"}, {}], [{"leftSide": 1, "above": "x"}, {"leftSide": 2}, {}]),
    (set[tuple[int, str | None]], [[1, None], [1, "a"]], [[1, "a"], [1, None]]),
    (set[frozenset[str]], [["b", "a"], ["z", "y"], [], ["c", "d", "a"]], [["a", "b"], ["a", "c", "d"], ["y", "z"], []]),
    (set[tuple[int, frozenset[str]]], [[1, ["z", "y"]], [1, ["b", "a"]]], [[1, ["a", "b"]], [1, ["y", "z"]]]),
    (dict[str, list[set[frozenset[frozenset[str]]]]], {"x": [[[["z", "y"]], [["b", "a"], []]]]}, {"x": [[[["a", "b"], []], [["y", "z"]]]]}),
    (list[set[str | None]], [["a", None], [None, "b"]], [["a", None], ["b", None]]),
    (dict[str, set[Role]], {"x": ["writer", "owner"]}, {"x": ["owner", "writer"]}),
    (Group, {"names": [None, "a"], "roles": ["writer", "owner"]}, {"names": ["a", None], "roles": ["owner", "writer"]}),
]  # fmt: skip


def serving(kind: Any) -> App:
    names = {"__annotations__": {"id": Attr[str], "x": Attr[kind]}, "__module__": __name__}
    app = App("sets", items=[stored(access=public)(type("Holder", (), names))], url="sqlite://")
    app.prepare()
    return app


def sent(rest: Rest, method: str, path: str, content: Any = None, headers: dict[str, str] = JSON) -> Any:
    response = rest.handle(Request(method, path, "", headers, b"" if content is None else json.dumps(content).encode()))
    assert response.status < 300, response.body
    return response


@pytest.mark.parametrize(("kind", "given", "found"), SETS, ids=[str(one[0]) for one in SETS])
def test_a_set_has_one_order_in_every_response(kind: Any, given: Any, found: Any) -> None:
    rest = Rest(serving(kind))
    item = {"id": "1", "x": found}
    assert json.loads(sent(rest, "POST", "/api/holder", {"id": "1", "x": given}).body) == item
    first = sent(rest, "GET", "/api/holder/1")
    assert json.loads(sent(rest, "PATCH", "/api/holder/1", {"x": given}).body) == item
    again = sent(rest, "GET", "/api/holder/1")
    assert json.loads(again.body) == item
    assert again.headers["etag"] == first.headers["etag"]
    assert json.loads(sent(rest, "GET", "/api/holder").body)["items"] == [item]
    exported = sent(rest, "GET", "/api/holder", headers=LINES)
    lines = exported.body or b"".join(exported.chunks)
    assert json.loads(lines.splitlines()[0]) == item


@pytest.mark.parametrize(("kind", "given", "found"), SETS[:9], ids=[str(one[0]) for one in SETS[:9]])
def test_graphql_has_the_order_of_rest(kind: Any, given: Any, found: Any) -> None:
    app = serving(kind)
    sent(Rest(app), "POST", "/api/holder", {"id": "1", "x": given})
    request = Request("POST", "/graphql", "", JSON, json.dumps({"query": "{ holderSearch { items { x } } }"}).encode())
    [item] = json.loads(GraphqlEndpoint(app).handle(request).body)["data"]["holderSearch"]["items"]
    answer = item["x"]
    if isinstance(answer, str):
        answer = json.loads(answer)
    assert answer == found


def test_a_datetime_without_zone_in_a_set_counts_as_utc() -> None:
    store = serving(set[datetime]).store("holder")
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    assert store.create({"id": "1", "x": {moment, moment.replace(tzinfo=None)}}).x == {moment}
    assert store.read("1").x == {moment}


def test_a_set_has_the_same_order_alone_and_within_a_list() -> None:
    names = {10, 9, 8}
    assert encode([names, {1, "a"}]) == b"[[8,9,10],%s]" % encode({"a", 1})

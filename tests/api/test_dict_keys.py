"""Keys of dicts that are not text: JSON has them as text, which every surface accepts unchanged."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest

from persisty import App, Attr, InvalidDeclaration, public, stored
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request, Response
from persisty.api.rest.endpoint import Rest

JSON = {"content-type": "application/json"}


@stored(access=public)
class Table:
    id: str
    by_int: dict[int, str] = Attr(factory=dict)
    by_float: dict[float, str] = Attr(factory=dict)
    by_date: dict[date, dict[int, int]] = Attr(factory=dict)
    by_decimal: dict[Decimal, int] = Attr(factory=dict)
    by_uuid: dict[UUID, int] = Attr(factory=dict)
    by_choice: dict[Literal[1, 2], int] = Attr(factory=dict)
    lists: list[dict[int, int]] = Attr(factory=list)


WRITTEN = {
    "by_int": {"1": "a", "-7": "b"},
    "by_float": {"1.5": "a"},
    "by_date": {"2026-01-02": {"3": 4}},
    "by_decimal": {"0.10": 1},
    "by_uuid": {"00000000-0000-0000-0000-000000000001": 1},
    "by_choice": {"2": 1},
    "lists": [{"5": 6}],
}


@pytest.fixture(params=["memory://", "sqlite://"])
def app(request: pytest.FixtureRequest) -> App:
    app = App("tables", items=[Table], url=request.param)
    app.prepare()
    return app


def _post(app: App, body: dict[str, Any]) -> Response:
    return Rest(app).handle(Request("POST", "/api/table", "", JSON, json.dumps(body).encode()))


def test_rest_accepts_the_values_that_it_returns(app: App) -> None:
    first = _post(app, {"id": "1", **WRITTEN})
    assert first.status == 201, first.body
    assert app.store(Table).read("1").by_int == {1: "a", -7: "b"}
    answered = json.loads(bytes(first.body))
    assert answered["by_date"] == {"2026-01-02": {"3": 4}}
    assert _post(app, {**answered, "id": "2"}).status == 201
    changed = Rest(app).handle(Request("PATCH", "/api/table/2", "", JSON, b'{"by_int": {"8": "c"}}'))
    assert json.loads(bytes(changed.body))["by_int"] == {"8": "c"}
    assert app.store(Table).create({"id": "3", "by_int": {1: "x"}, "by_float": {2.5: "y"}}).by_float == {2.5: "y"}


def test_graphql_accepts_the_values_that_it_returns(app: App) -> None:
    query = 'mutation($x: AWSJSON) { tableCreate(item: {id: "1", byInt: $x}) { byInt } }'
    query = query.replace("byInt", "by_int")
    body = json.dumps({"query": query, "variables": {"x": '{"1": "a"}'}}).encode()
    found = json.loads(bytes(GraphqlEndpoint(app).handle(Request("POST", "/graphql", "", JSON, body)).body))
    assert json.loads(found["data"]["tableCreate"]["by_int"]) == {"1": "a"}, found


@pytest.mark.parametrize(
    ("value", "path", "expected", "found"),
    [
        ({"by_int": {"x": "a"}}, "/by_int/*", "int", "str"),
        ({"lists": [{}, {"x": 1}]}, "/lists/1/*", "int", "str"),
    ],
    ids=str,
)
def test_an_invalid_key_is_a_fault_with_its_path(app: App, value: Any, path: str, expected: str, found: str) -> None:
    response = _post(app, {"id": "1", **value})
    assert response.status == 422
    (fault,) = json.loads(bytes(response.body))["faults"]
    assert fault == {
        "path": path,
        "message": "Invalid key. Expected int, got str",
        "expected": expected,
        "found": found,
    }


@pytest.mark.parametrize("type_", [dict[bool, int], list[dict[bool, str]], dict[bool | str, int]], ids=str)
def test_keys_without_a_text_in_json_stop_the_declaration(type_: Any) -> None:
    with pytest.raises(InvalidDeclaration, match="a dict whose keys are bool"):
        stored(type("Item", (), {"__annotations__": {"id": str, "x": type_}, "__module__": __name__}))

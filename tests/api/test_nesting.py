"""JSON that is nested too deeply is rejected everywhere with a 4xx status. Stored values remain readable."""

from __future__ import annotations

import json
import sqlite3
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from persisty import App, Attr, public, stored
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request, Response
from persisty.api.rest.endpoint import Rest
from persisty.model.nesting import raise_recursion_limit

JSON = {"content-type": "application/json"}
DEPTHS = (81, 130, 330, 700, 960, 964, 990, 5_000)


@stored(access=public)
class Crate:
    id: Attr[str]
    extra: Attr[dict[str, Any]] = Attr(factory=dict)
    tags: Attr[list[Any]] = Attr(factory=list)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    limit = sys.getrecursionlimit()
    raise_recursion_limit()  # as every host does
    app = App("crates", items=[Crate], url=f"sqlite:///{tmp_path}/a.db")
    app.prepare()
    app.store(Crate).create({"id": "plain"})
    yield app
    app.close()
    sys.setrecursionlimit(limit)


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def rest(app: App, method: str, path: str, body: str | None = None, query: str = "") -> Response:
    return Rest(app).handle(Request(method, path, query, JSON, (body or "").encode()))


def graphql(app: App, text: str, variables: str = "{}") -> Any:
    body = f'{{"query":{json.dumps(text)},"variables":{variables}}}'
    response = GraphqlEndpoint(app).handle(Request("POST", "/graphql", "", JSON, body.encode()))
    assert response.status < 500, response.body
    return json.loads(response.body)


@pytest.mark.parametrize("levels", DEPTHS)
def test_a_value_nested_too_deeply_is_never_stored(app: App, levels: int) -> None:
    value = deep(levels)
    batch = f'{{"edits":[{{"create":{{"id":"y","extra":{value}}}}},{{"update":{{"key":"plain","changes":{{"extra":{value}}}}}}}]}}'
    answers = [
        rest(app, "POST", "/api/crate", f'{{"id":"x","extra":{value}}}'),
        rest(app, "PATCH", "/api/crate/plain", f'{{"extra":{value}}}'),
        rest(app, "PATCH", "/api/crate/plain", f'{{"tags":{{"append":[{value}]}}}}'),
        rest(app, "POST", "/api/crate-batch", batch),
    ]
    assert {answer.status for answer in answers} <= {400, 422}
    create = 'mutation($v:AWSJSON){crateCreate(item:{id:"z",extra:$v}){id}}'
    assert graphql(app, create, f'{{"v":{json.dumps(value)}}}')["errors"]
    assert graphql(app, create, f'{{"v":{value}}}').get("errors") or graphql(app, create, f'{{"v":{value}}}')["code"]
    assert [one["id"] for one in json.loads(rest(app, "GET", "/api/crate").body)["items"]] == ["plain"]


def test_a_value_between_the_bounds_names_its_attribute(app: App) -> None:
    answer = rest(app, "POST", "/api/crate", f'{{"id":"x","extra":{deep(70)}}}')
    assert answer.status == 422
    [fault] = json.loads(answer.body)["faults"]
    assert fault["path"] == "/extra"
    assert "64 levels" in fault["message"]


@pytest.mark.parametrize("levels", DEPTHS)
def test_filters_nested_too_deeply_are_the_callers_mistake(app: App, levels: int) -> None:
    where = '{"and":[' * levels + "{}" + "]}" * levels
    answer = graphql(app, "query($w:CrateWhere){crateSearch(where:$w){items{id}}}", f'{{"w":{where}}}')
    assert "data" not in answer or answer["errors"]
    literal = "{and:[" * levels + "{}" + "]}" * levels
    answer = graphql(app, f"{{crateSearch(where:{literal}){{items{{id}}}}}}")
    assert "data" not in answer or answer["errors"]
    batch = f'{{"edits":[{{"delete":{{"key":"plain","when":{where}}}}}]}}'
    assert rest(app, "POST", "/api/crate-batch", batch).status in (400, 422)


@pytest.mark.parametrize("levels", DEPTHS)
def test_a_cursor_nested_too_deeply_is_invalid(app: App, levels: int) -> None:
    for content in ("[" * levels + "]" * levels, f'["x",{{"id":{deep(levels)}}}]', f'["x",{deep(levels)}]'):
        cursor = urlsafe_b64encode(content.encode()).decode().rstrip("=")
        answer = rest(app, "GET", "/api/crate", query=f"cursor={cursor}")
        assert (answer.status, json.loads(answer.body)["code"]) == (400, "invalid_cursor")
    answer = GraphqlEndpoint(app).handle(
        Request("GET", "/graphql", f"query={{crateCount}}&variables={quote(deep(levels))}")
    )
    assert answer.status == 400


@pytest.mark.parametrize("levels", [65, 500, 955])
def test_a_deeper_value_stored_by_an_earlier_version_is_still_readable(app: App, tmp_path: Path, levels: int) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("UPDATE crate SET extra = ? WHERE id = 'plain'", (deep(levels),))
    for path in ("/api/crate", "/api/crate/plain"):
        assert rest(app, "GET", path).status == 200
    assert rest(app, "PATCH", "/api/crate/plain", '{"tags":["new"]}').status == 200
    assert "errors" not in graphql(app, "{crateSearch{items{id extra}}}")
    assert rest(app, "PATCH", "/api/crate/plain", '{"extra":{}}').status == 200

"""Times of day, durations, sets and tuples over REST and GraphQL: they are JSON there, and a comparison with one is rejected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import time, timedelta
from typing import Any

import pytest

from persisty import App, Attr, Index, InvalidDeclaration, public, stored
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request, Response
from persisty.api.rest.endpoint import Rest

JSON = {"content-type": "application/json"}
BODY = {"id": "1", "starts": "08:30:00", "length": "PT5400S", "people": ["ann", "bob"]}


@stored(access=public)
class Shift:
    id: Attr[str]
    starts: Attr[time | None] = Attr(default=None)
    length: Attr[timedelta | None] = Attr(default=None)
    people: Attr[set[str]] = Attr(factory=set)


@pytest.fixture
def app() -> Iterator[App]:
    app = App("shifts", items=[Shift], url="sqlite://")
    yield app
    app.close()


def rest(app: App, method: str, path: str, body: Any = None, query: str = "") -> Response:
    return Rest(app).handle(Request(method, path, query, JSON, b"" if body is None else json.dumps(body).encode()))


def graphql(app: App, text: str) -> Any:
    body = json.dumps({"query": text}).encode()
    return json.loads(GraphqlEndpoint(app).handle(Request("POST", "/graphql", "", JSON, body)).body)


def test_json_values_are_returned_as_they_were_stored(app: App) -> None:
    made = rest(app, "POST", "/api/shift", BODY)
    assert (made.status, json.loads(made.body)) == (201, BODY)
    assert json.loads(rest(app, "GET", "/api/shift/1").body) == BODY
    assert app.store(Shift).read("1") == Shift(
        id="1", starts=time(8, 30), length=timedelta(hours=1.5), people={"ann", "bob"}
    )
    twice = json.loads(rest(app, "PATCH", "/api/shift/1", {"people": ["cid", "cid"]}).body)
    assert twice["people"] == ["cid"]
    [item] = graphql(app, "{shiftSearch {items {starts length people}}}")["data"]["shiftSearch"]["items"]
    found = {name: json.loads(one) if isinstance(one, str) else one for name, one in item.items()}
    assert found == {"starts": "08:30:00", "length": "PT5400S", "people": ["cid"]}


@pytest.mark.parametrize(
    ("query", "path"),
    [("length=PT1S", "/length"), ("order=length", "/order/0"), ("people__contains=a", "/people__contains")],
)
def test_a_comparison_of_json_is_rejected(app: App, query: str, path: str) -> None:
    refused = rest(app, "GET", "/api/shift", query=query)
    assert refused.status == 400
    [fault] = json.loads(refused.body)["faults"]
    assert fault["path"] == path
    assert "attributes stored as JSON" in fault["message"]


def test_graphql_offers_no_comparison(app: App) -> None:
    answer = graphql(app, '{shiftSearch(where: {length: {gt: "PT1S"}}) {items {id}}}')
    assert answer["errors"][0]["extensions"]["faults"][0]["path"] == "/where/length/gt"


def test_a_key_or_an_index_of_one_stops_the_declaration() -> None:
    for declared in ({"key": ("starts",)}, {"indexes": [Index("length")]}):
        with pytest.raises(InvalidDeclaration, match=r"stored as JSON|is a json"):

            @stored(**declared)
            class Bad:
                id: Attr[str]
                starts: Attr[time]
                length: Attr[timedelta]

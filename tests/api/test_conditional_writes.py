"""Items with conditional writes: an update or a deletion on any surface needs a condition. Calls in Python do not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from persisty import VERSION, Access, App, Attr, Caller, Delete, Update, everyone, owned, public, stored
from persisty.api.graphql.appsync.function import AppSync
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request, Response
from persisty.api.openapi.document import document
from persisty.api.rest.endpoint import Rest
from persisty.api.store_operations import store_operations

from ..graphql.asking import Hosted, StandIn

ANN, BOB = Caller("ann"), Caller("bob")


@stored(access=public, conditional_writes=True)
class Page:
    """An item with a version and a time."""

    id: str
    text: str = ""
    version: int = Attr(generator=VERSION)
    updated_at: datetime


@stored(access=public, conditional_writes=True)
class Scrap:
    """An item without a version and without a time."""

    id: str
    text: str = ""


@stored(access=Access(read=everyone, update=owned("author"), delete=owned("author")), conditional_writes=True)
class Letter:
    id: str
    author: str
    text: str = ""


@stored(access=Access(read=everyone, create=everyone), conditional_writes=True)
class Entry:
    """An item that no caller may update."""

    id: str


@stored(access=public)
class Free:
    id: str
    text: str = ""


ITEMS = [Page, Scrap, Letter, Entry, Free]


@pytest.fixture
def app() -> Iterator[App]:
    made = App("papers", items=ITEMS, url="memory://")
    for item in (Page, Scrap, Free):
        for key in "ab":
            made.store(item).create({"id": key, "text": "old"})
    made.store(Letter).create({"id": "a", "author": "ann", "text": "old"})
    yield made
    made.close()


Send = Callable[..., Response]


@pytest.fixture
def send(app: App) -> Send:
    rest = Rest(app)

    def sent(line: str, body: Any = None, caller: Caller = ANN, **headers: str) -> Response:
        method, _, target = line.partition(" ")
        path, _, query = target.partition("?")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        raw = b"" if body is None else json.dumps(body).encode()
        return rest.handle(Request(method, path, query, {"content-type": "application/json", **named}, raw, caller))

    return sent


NEW = {"text": "new"}


def code(response: Response) -> str:
    return str(json.loads(response.body)["code"])


@pytest.mark.parametrize(
    "line", ["PATCH /api/page/a", "DELETE /api/page/a", "PATCH /api/scrap/a", "DELETE /api/scrap/a"]
)
@pytest.mark.parametrize(
    "headers", [{}, {"if_none_match": '"1.x"'}, {"if_modified_since": "Sun, 06 Nov 1994 08:49:37 GMT"}]
)
def test_a_write_without_a_condition_is_rejected(app: App, send: Send, line: str, headers: dict[str, str]) -> None:
    refused = send(line, NEW if line.startswith("PATCH") else None, **headers)
    assert (refused.status, code(refused)) == (428, "precondition_required")
    assert "send If-Match" in json.loads(refused.body)["detail"]
    accepted = "page" in line
    assert ("If-Unmodified-Since" in json.loads(refused.body)["detail"]) == accepted
    assert ("?version=1" in json.loads(refused.body)["detail"]) == accepted
    assert {app.store(item).read("a").text for item in (Page, Scrap)} == {"old"}


def test_a_tag_a_time_and_a_filter_are_conditions(app: App, send: Send) -> None:
    seen = send("GET /api/page/a").headers
    assert send("PATCH /api/page/a", NEW, if_match=seen["etag"]).status == 200
    assert send("PATCH /api/page/a", NEW, if_match=seen["etag"]).status == 412
    assert send("PATCH /api/page/a", NEW, if_match="*").status == 200
    assert send("PATCH /api/page/a?text=new", NEW).status == 200
    assert send("PATCH /api/page/a?text=old", NEW).status == 412
    assert send("PATCH /api/page/a?version=1", NEW, if_none_match='"9.x"').status == 412
    assert send("DELETE /api/page/b", if_unmodified_since=seen["last-modified"]).status == 204
    tag = send("GET /api/scrap/a").headers["etag"]
    assert send("DELETE /api/scrap/a", if_match='"other"').status == 412
    assert send("DELETE /api/scrap/a", if_match=tag).status == 204


def test_if_unmodified_since_is_no_condition_for_an_item_without_a_time(send: Send) -> None:
    since = send("GET /api/page/a").headers["last-modified"]
    assert send("PATCH /api/scrap/a", NEW, if_unmodified_since=since).status == 428
    assert send("PATCH /api/page/a", NEW, if_unmodified_since="no date").status == 428


def test_openapi_lists_if_unmodified_since_for_items_with_a_time(app: App) -> None:
    paths = document(app)["paths"]
    for store, accepted in {"page": True, "scrap": False}.items():
        for method in ("patch", "delete"):
            listed = [one["name"] for one in paths[f"/api/{store}/{{key}}"][method]["parameters"]]
            assert ("If-Unmodified-Since" in listed) == accepted


def test_a_caller_without_access_gets_forbidden_instead_of_precondition_required(send: Send) -> None:
    assert send("DELETE /api/letter/a", caller=BOB).status == 428  # bob may delete letters, only not this one
    assert send("DELETE /api/letter/a", caller=Caller(None)).status == 401
    assert send("DELETE /api/letter/a", caller=BOB, if_match="*").status == 403
    assert send("DELETE /api/letter/nothing", if_match="*").status == 404


def test_every_edit_of_a_batch_has_its_condition(app: App, send: Send) -> None:
    edits: list[dict[str, Any]] = [
        {"create": {"id": "c"}},
        {"update": {"key": "a", "changes": NEW}},
        {"update": {"key": "a", "changes": NEW, "when": {}}},
        {"update": {"key": "a", "changes": NEW, "when": {"and": [{}, {"or": [{"and": []}, {"text": {"eq": "x"}}]}]}}},
        {"delete": {"key": "b", "when": None}},
        {"delete": {"key": "b", "when": {"version": {"eq": 1}}}},
    ]
    for atomic in (False, True):
        refused = send("POST /api/page-batch", {"edits": edits, "atomic": atomic})
        assert (refused.status, code(refused)) == (428, "precondition_required")
        faults = json.loads(refused.body)["faults"]
        assert [one["path"] for one in faults] == [
            "/edits/1/update/when", "/edits/2/update/when", "/edits/3/update/when", "/edits/4/delete/when",
        ]  # fmt: skip
        assert [one.text for one in app.store(Page).search_all()] == ["old", "old"]
    done = send("POST /api/page-batch", {"edits": [edits[0], edits[5]]})
    assert [one["code"] for one in json.loads(done.body)["results"]] == ["ok", "ok"]
    wrong = send("POST /api/page-batch", {"edits": [edits[1], {"update": {"key": "a", "changes": {"no": 1}}}]})
    assert (wrong.status, code(wrong)) == (422, "invalid_input")


@pytest.fixture(params=["hosted", "appsync"])
def ask(request: pytest.FixtureRequest, app: App) -> Hosted | StandIn:
    made: Hosted | StandIn = (
        Hosted(GraphqlEndpoint(app), ANN) if request.param == "hosted" else StandIn(AppSync(app), app)
    )
    made.caller = ANN
    return made


CHANGE = 'mutation ($w: PageWhere) { pageUpdate(key: "a", changes: {text: "new"}, when: $w) { text } }'
DROP = 'mutation ($w: ScrapWhere) { scrapDelete(key: "a", when: $w) }'
EDIT = "mutation ($e: [PageEdit!]!) { pageEditBatch(edits: $e) { code } }"


def codes(answer: dict[str, Any]) -> list[str]:
    return [one["extensions"]["code"] for one in answer.get("errors", ())]


def test_graphql_requires_the_same_conditions(app: App, ask: Hosted | StandIn) -> None:
    for when in (None, {}, {"or": [{}]}):
        assert codes(ask(CHANGE, w=when)) == codes(ask(DROP, w=when)) == ["precondition_required"]
    assert "GraphQL: send `when`" in ask(CHANGE, w=None)["errors"][0]["message"]
    edit = {"update": {"key": "a", "changes": NEW}}
    refused = ask(EDIT, e=[edit])
    assert codes(refused) == ["precondition_required"]
    assert refused["errors"][0]["extensions"]["faults"][0]["path"] == "/edits/0/update/when"
    assert {app.store(item).read("a").text for item in (Page, Scrap)} == {"old"}
    assert ask(CHANGE, w={"version": {"eq": 1}})["data"] == {"pageUpdate": {"text": "new"}}
    assert codes(ask(CHANGE, w={"version": {"eq": 1}})) == ["precondition_failed"]
    assert ask(DROP, w={"text": {"eq": "old"}})["data"] == {"scrapDelete": True}
    edit["update"]["when"] = {"version": {"eq": 2}}
    assert ask(EDIT, e=[edit])["data"] == {"pageEditBatch": [{"code": "ok"}]}


def test_python_needs_no_condition(app: App) -> None:
    store = app.store(Page)
    assert store.update("a", NEW).text == "new"  # type: ignore[union-attr]
    assert [one.code for one in store.edit_batch([Update("a", NEW), Delete("b")])] == ["ok", "ok"]
    assert store.on_behalf_of(ANN).delete("a")


def test_items_without_conditional_writes_need_no_condition(send: Send) -> None:
    assert send("PATCH /api/free/a", NEW).status == 200
    assert send("POST /api/free-batch", {"edits": [{"delete": {"key": "b"}}]}).status == 200
    assert send("DELETE /api/free/a").status == 204


def test_openapi_lists_precondition_required_for_conditional_writes(app: App) -> None:
    offered = store_operations(app)
    described = document(app)["paths"]
    listed = {name for name, one in offered.items() if "428" in described[one.path][one.method.lower()]["responses"]}
    assert listed == {
        "page_update", "page_delete", "page_edit_batch", "scrap_update", "scrap_delete", "scrap_edit_batch",
        "letter_update", "letter_delete", "letter_edit_batch",
    }  # fmt: skip

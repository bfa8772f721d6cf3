"""A conversation with the deployed example: requests and required responses, through any gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

Send = Callable[[str, str, str, bytes | None, str | None], tuple[int, dict[str, str], Any]]
"""(method, path, query string, body, token) → (status, headers with lower-case names, decoded body)."""
Ask = Callable[[str, dict[str, Any], str | None], dict[str, Any]]
"""(query, variables, token) → `{"data": …, "errors": […]}`; a code is in `extensions` when hosted, `errorType` from AppSync."""

PASSWORD = "correct horse battery"
TEXTS = [f"note {number:02}" for number in range(12)]


def rest(send: Send) -> None:  # noqa: PLR0915 - one conversation
    """Sign up, log in, create, read, search with filter, order and cursor, update, conflict, invalid input, delete."""
    token: str | None = None

    def call(method: str, path: str, body: Any = None, **query: Any) -> tuple[int, dict[str, str], Any]:
        return send(method, path, urlencode(query), None if body is None else json.dumps(body).encode(), token)

    assert call("GET", "/health")[::2] == (200, {"status": "ok"})
    status, _, document = call("GET", "/openapi.json")
    assert status == 200
    assert "/api/message/{key}" in document["paths"]
    status, headers, refused = call("GET", "/api/message")
    assert (status, headers["www-authenticate"], refused["code"]) == (401, "Bearer", "unauthenticated")
    status, _, session = call("POST", "/actions/sign-up", {"username": "restful", "password": PASSWORD})
    assert status == 200, session
    author = session["user_id"]
    again = call("POST", "/actions/sign-up", {"username": "restful", "password": PASSWORD})
    assert (again[0], again[2]["code"]) == (409, "conflict")
    assert call("POST", "/actions/log-in", {"username": "restful", "password": "something else"})[0] == 401
    token = call("POST", "/actions/log-in", {"username": "restful", "password": PASSWORD})[2]["token"]
    status, headers, first = call("POST", "/api/message", {"text": TEXTS[0]})
    assert status == 201
    assert headers["location"] == f"/api/message/{first['id']}"
    assert (first["version"], first["author_id"]) == (1, author)
    assert call("GET", f"/api/message/{first['id']}")[::2] == (200, first)
    edits = [{"create": {"text": text}} for text in TEXTS[1:]]
    status, _, answer = call("POST", "/api/message-batch", {"edits": edits})
    assert status == 200, answer
    assert (status, [one["code"] for one in answer["results"]]) == (200, ["ok"] * 11)

    found: list[str] = []
    cursor: dict[str, str] = {}
    pages = 0
    while True:
        status, _, page = call("GET", "/api/message", author_id=author, order="-text", limit=5, **cursor)
        assert status == 200
        found += [item["text"] for item in page["items"]]
        pages += 1
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    assert (found, pages) == (TEXTS[::-1], 3)
    foreign = call("GET", "/api/message", author_id=author, order="text", limit=5, **cursor)
    assert (foreign[0], foreign[2]["code"]) == (400, "invalid_cursor")
    status, _, page = call("GET", "/api/message", author_id=author, text__contains="1", order="created_at")
    assert sorted(item["text"] for item in page["items"]) == ["note 01", "note 10", "note 11"]
    assert call("GET", "/api/message-count", author_id=author, text__ge="note 06")[2] == {"count": 6}

    again = call("POST", "/api/message", {"id": first["id"], "text": "again"})
    assert (again[0], again[2]["code"]) == (409, "conflict")
    status, _, changed = call("PATCH", f"/api/message/{first['id']}", {"text": "new"}, version=1)
    assert (status, changed["text"], changed["version"]) == (200, "new", 2)
    status, _, stale = call("PATCH", f"/api/message/{first['id']}", {"text": "newer"}, version=1)
    assert (status, stale["code"], stale["item"]) == (412, "precondition_failed", changed)
    status, headers, wrong = call("POST", "/api/message", {"text": "", "version": 7, "wrong": 1})
    assert (status, headers["content-type"]) == (422, "application/problem+json")
    assert {one["path"] for one in wrong["faults"]} == {"/text", "/version", "/wrong"}
    assert call("GET", "/api/message", text__foo="x")[2]["code"] == "invalid_query"
    assert call("DELETE", f"/api/message/{first['id']}")[0] == 204
    assert call("GET", f"/api/message/{first['id']}")[0] == 404
    status, _, counted = call("GET", "/actions/statistics")
    assert (status, counted["messages"]) == (200, 11)
    status, _, batch = call("GET", "/api/message-batch", key="nothing")
    assert (status, batch) == (200, {"items": [None]})
    status, _, mine = call("GET", f"/api/user/{author}", include="messages,message_count")
    assert (status, mine["username"], mine["message_count"], len(mine["messages"]["items"])) == (200, "restful", 11, 11)
    assert "digest" not in json.dumps(mine)
    assert call("DELETE", f"/api/user/{author}")[0] == 204
    assert call("GET", "/api/message-count")[2] == {"count": 0}


SIGN_UP = """mutation($username: String!, $password: String!) {
  signUp(username: $username, password: $password) { user_id token } }"""
CREATE = "mutation($item: MessageCreate!) { messageCreate(item: $item) { id text version author_id created_at } }"
SEARCH = """query($where: MessageWhere, $order: [MessageOrder!], $limit: Int, $cursor: String) {
  messageSearch(where: $where, order: $order, limit: $limit, cursor: $cursor) { items { text } cursor } }"""
UPDATE = """mutation($key: ID!, $changes: MessageUpdate!, $when: MessageWhere) {
  messageUpdate(key: $key, changes: $changes, when: $when) { text version } }"""


def graphql(ask: Ask, *, faults: bool = True, stranger: str = "unauthenticated") -> None:
    """Run the same conversation over GraphQL. `faults` is false if the gateway returns only the type of an error; `stranger` is the error of a
    caller without a token."""

    def data(query: str, **variables: Any) -> Any:
        answer = ask(query, variables, token)
        assert not answer.get("errors"), answer
        [value] = answer["data"].values()
        return value

    def refused(query: str, **variables: Any) -> tuple[str, list[str]]:
        """Return the code and the paths of the faults."""
        [error] = ask(query, variables, token)["errors"]
        info = error.get("extensions") or error.get("errorInfo") or {}
        return error.get("errorType") or info["code"], [fault["path"] for fault in info.get("faults", ())]

    token: str | None = None
    assert refused(SEARCH) == (stranger, [])
    session = data(SIGN_UP, username="graphic", password=PASSWORD)
    author, token = session["user_id"], session["token"]
    made = [data(CREATE, item={"text": text}) for text in TEXTS]
    key = made[0]["id"]
    read = "query($key: ID!) { messageRead(key: $key) { id text version author_id created_at } }"
    assert data(read, key=key) == made[0]
    where = {"author_id": {"eq": author}, "or": [{"text": {"startswith": "note"}}, {"text": {"eq": "x"}}]}
    found: list[str] = []
    cursor = None
    while True:
        page = data(SEARCH, where=where, order=["text_desc"], limit=5, cursor=cursor)
        found += [item["text"] for item in page["items"]]
        if page["cursor"] is None:
            break
        cursor = page["cursor"]
    assert found == TEXTS[::-1]
    foreign = data(SEARCH, where=where, order=["text_desc"], limit=5)["cursor"]
    assert refused(SEARCH, where=where, order=["text_asc"], limit=5, cursor=foreign) == ("invalid_cursor", [])
    assert refused(SEARCH, where=where, limit=0) == ("invalid_query", ["/limit"] * faults)
    assert refused(CREATE, item={"id": key, "text": "again"}) == ("conflict", [])
    wrong = refused(CREATE, item={"text": "", "author_id": "nobody"})
    assert wrong == ("invalid_input", ["/item/text", "/item/author_id"] * faults)
    assert data(UPDATE, key=key, changes={"text": "new"}, when={"version": {"eq": 1}}) == {"text": "new", "version": 2}
    stale = refused(UPDATE, key=key, changes={"text": "newer"}, when={"version": {"eq": 1}})
    assert stale == ("precondition_failed", [])
    assert data("query($where: MessageWhere) { messageCount(where: $where) }", where=where) == 11
    edits = [{"delete": {"key": one["id"]}} for one in made] + [{"delete": {"key": key}}]
    batch = "mutation($edits: [MessageEdit!]!) { messageEditBatch(edits: $edits) { code } }"
    assert [one["code"] for one in data(batch, edits=edits)] == ["ok"] * 12 + ["not_found"]
    assert data("query($keys: [ID!]!) { messageReadBatch(keys: $keys) { id } }", keys=[key]) == [None]
    assert data("{ statistics { messages } }") == {"messages": 0}
    drop = "mutation($key: ID!) { userDelete(key: $key) }"
    assert data(drop, key=author) is True

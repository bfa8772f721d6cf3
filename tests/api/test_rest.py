"""REST, verb by verb, without a server."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from persisty import App, Index, InvalidDeclaration, public, stored
from persisty.api.http.messages import MAX_BODY
from persisty.api.rest.endpoint import Rest

from .conftest import Caller

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def things(call: Caller) -> list[dict[str, Any]]:
    rows = [("apple", 5, "red"), ("Banana", 7, None), ("cherry", 5, "green"), ("date", 0, "red")]
    return [call("POST", "/api/thing", {"name": n, "weight": w, "colour": c})[1] for n, w, c in rows]


def names(answer: tuple[int, Any]) -> list[str]:
    assert answer[0] == 200, answer
    return [item["name"] for item in answer[1]["items"]]


def test_create_returns_201_with_the_location_of_the_complete_item(call: Caller) -> None:
    status, item = call("POST", "/api/thing", {"name": "x", "price": "1.50", "raw": "AAE=", "born": "2020-02-29"})
    assert status == 201
    assert call.last is not None
    assert call.last.headers["location"] == f"/api/thing/{item['id']}"
    assert (item["price"], item["raw"], item["born"], item["version"], item["tags"]) == (
        "1.5",
        "AAE=",
        "2020-02-29",
        1,
        [],
    )
    assert call("GET", call.last.headers["location"]) == (200, item)


def test_create_of_a_taken_key_conflicts_and_keeps_the_first(call: Caller, things: list[dict[str, Any]]) -> None:
    status, problem = call("POST", "/api/thing", {"id": things[0]["id"], "name": "other"})
    assert (status, problem["code"]) == (409, "conflict")
    assert call("GET", f"/api/thing/{things[0]['id']}")[1]["name"] == "apple"


def test_a_missing_item_is_not_found_by_every_verb_of_a_key(call: Caller) -> None:
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        status, problem = call(method, f"/api/thing/{NOBODY}", body)
        assert (status, problem["code"]) == (404, "not_found")


def test_head_has_the_response_of_get_without_the_body(call: Caller, things: list[dict[str, Any]]) -> None:
    call("GET", f"/api/thing/{things[0]['id']}")
    assert call.last is not None
    length = len(call.last.body)
    call("HEAD", f"/api/thing/{things[0]['id']}")
    assert (call.last.status, call.last.body, call.last.headers["content-length"]) == (200, b"", str(length))


def test_update_changes_the_given_attributes_if_the_condition_in_the_query_matches(
    call: Caller, things: list[dict[str, Any]]
) -> None:
    path = f"/api/thing/{things[0]['id']}"
    status, item = call("PATCH", path, {"colour": None, "weight": 9}, "version=1&weight__lt=6")
    assert (status, item["colour"], item["weight"], item["version"], item["name"]) == (200, None, 9, 2, "apple")
    status, problem = call("PATCH", path, {"weight": 10}, "version=1")
    assert (status, problem["code"], problem["item"]) == (412, "precondition_failed", item)
    assert call("GET", path)[1] == item


def test_delete_returns_204_once_and_checks_its_condition(call: Caller, things: list[dict[str, Any]]) -> None:
    path = f"/api/thing/{things[0]['id']}"
    assert call("DELETE", path, None, "name=other")[0] == 412
    assert call("DELETE", path) == (204, None)
    assert call("DELETE", path)[0] == 404


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("order=name", ["Banana", "apple", "cherry", "date"]),
        ("order=-weight,name", ["Banana", "apple", "cherry", "date"]),
        ("order=-weight&order=-name", ["Banana", "cherry", "apple", "date"]),
        ("order=colour,name", ["cherry", "apple", "date", "Banana"]),
        ("name=apple", ["apple"]),
        ("name__ne=apple&order=name", ["Banana", "cherry", "date"]),
        ("name__oneof=apple&name__oneof=date&order=name", ["apple", "date"]),
        ("colour__null=true", ["Banana"]),
        ("colour=red&order=-name", ["date", "apple"]),
        ("name__icontains=AN", ["Banana"]),
        ("name__contains=an", ["Banana"]),
        ("name__startswith=da", ["date"]),
        ("name__endswith=rry", ["cherry"]),
        ("weight__ge=5&weight__le=6&order=name", ["apple", "cherry"]),
        ("active=true&weight__gt=5", ["Banana"]),
        ("name=", []),
    ],
)
def test_search_filters_and_orders(call: Caller, things: list[dict[str, Any]], query: str, expected: list[str]) -> None:
    assert names(call("GET", "/api/thing", None, query)) == expected
    filters = "&".join(part for part in query.split("&") if not part.startswith("order"))
    assert call("GET", "/api/thing-count", None, filters) == (200, {"count": len(expected)})


def test_pages_follow_each_other_by_cursor(call: Caller, things: list[dict[str, Any]]) -> None:
    status, first = call("GET", "/api/thing", None, "order=name&limit=3")
    assert (status, len(first["items"])) == (200, 3)
    _, second = call("GET", "/api/thing", None, f"order=name&limit=3&cursor={first['cursor']}")
    assert ([one["name"] for one in second["items"]], second["cursor"]) == (["date"], None)


def test_composite_keys_of_any_content_work_in_paths(call: Caller) -> None:
    for code in ("a/b", "~", "50%", "ü?#", "a~b c"):
        status, place = call("POST", "/api/place", {"country": "n~o", "code": code})
        assert status == 201
        key = f"n%7Eo~{quote(code, safe='').replace('~', '%7E')}"
        assert call.last is not None
        assert call.last.headers["location"] == "/api/place/" + quote(key, safe="~")
        assert call("GET", f"/api/place/{key}") == (200, place)  # a host decodes the location's path once


def test_read_batch_keeps_positions(call: Caller, things: list[dict[str, Any]]) -> None:
    query = f"key={things[1]['id']}&key={NOBODY}&key=nonsense&key={things[1]['id']}"
    assert call("GET", "/api/thing-batch", None, query) == (200, {"items": [things[1], None, None, things[1]]})


def test_each_edit_of_a_batch_has_its_own_result(call: Caller, things: list[dict[str, Any]]) -> None:
    edits = [
        {"create": {"name": "new"}},
        {"create": {"id": things[0]["id"], "name": "taken"}},
        {"update": {"key": things[1]["id"], "changes": {"weight": 1}, "when": {"weight": {"eq": 7}}}},
        {"update": {"key": things[2]["id"], "changes": {"weight": 1}, "when": {"weight": {"eq": 7}}}},
        {"delete": {"key": NOBODY}},
        {"delete": {"key": things[3]["id"]}},
    ]
    status, answer = call("POST", "/api/thing-batch", {"edits": edits})
    codes = [result["code"] for result in answer["results"]]
    assert (status, codes) == (200, ["ok", "conflict", "ok", "precondition_failed", "not_found", "ok"])
    assert answer["results"][3]["item"] == things[2]
    assert answer["results"][2]["item"]["weight"] == 1


def test_an_atomic_batch_that_fails_has_the_status_of_the_failed_edit_and_writes_nothing(
    call: Caller, things: list[dict[str, Any]]
) -> None:
    edits = [{"create": {"name": "new"}}, {"create": {"id": things[0]["id"], "name": "taken"}}]
    status, problem = call("POST", "/api/thing-batch", {"edits": edits, "atomic": True})
    assert (status, problem["code"]) == (409, "conflict")
    assert [result["code"] for result in problem["results"]] == ["aborted", "conflict"]
    assert call("GET", "/api/thing-count")[1] == {"count": 4}


def test_only_verbs_that_the_access_rule_allows_have_routes(call: Caller) -> None:
    assert call("GET", "/api/rule")[0] == 200
    status, problem = call("POST", "/api/rule", {"id": "a", "text": "b"})
    assert (status, problem["allow"]) == (405, "GET, HEAD, OPTIONS")
    for path in ("/api/secret", "/api/secret/a", "/api/secret-count", "/api/secret-batch"):
        assert call("GET", path)[0] == 404


def test_custom_actions_read_arguments_from_the_query_or_the_body(call: Caller) -> None:
    assert call("GET", "/actions/add", None, "left=2&right=3") == (200, {"total": 5})
    assert call("GET", "/actions/add", None, "left=2") == (200, {"total": 3})
    assert call("POST", "/actions/repeat", {"text": "ab", "times": 2}) == (200, "abab")
    status, problem = call("GET", "/actions/add", None, "right=x&other=1")
    assert (status, problem["code"]) == (422, "invalid_input")
    assert {fault["path"] for fault in problem["faults"]} == {"/left", "/right", "/other"}
    assert call("POST", "/actions/forbidden", {})[1]["code"] == "unauthenticated"
    assert call("GET", "/actions/not-offered")[0] == 404


def test_an_unexpected_exception_is_internal_error_without_its_message(
    call: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    status, problem = call("GET", "/actions/broken")
    assert (status, problem) == (500, {"code": "internal_error", "status": 500, "title": "Internal error"})
    assert "a secret of the implementation" in caplog.text  # it is in the log, with its trace


THING = {"name": "x"}
BAD: list[tuple[str, str, Any, str, int, str, set[str]]] = [
    ("POST", "/api/thing", {**THING, "wrong": 1}, "", 422, "invalid_input", {"/wrong"}),
    ("POST", "/api/thing", {"name": 5, "weight": "5"}, "", 422, "invalid_input", {"/name", "/weight"}),
    ("POST", "/api/thing", {"name": "", "weight": -1}, "", 422, "invalid_input", {"/name", "/weight"}),
    ("POST", "/api/thing", {}, "", 422, "invalid_input", {"/name"}),
    ("POST", "/api/thing", {**THING, "tags": ["a", 5, "b"]}, "", 422, "invalid_input", {"/tags/1"}),
    ("POST", "/api/thing", {**THING, "ratio": 1e300}, "", 422, "invalid_input", {"/ratio"}),
    ("POST", "/api/thing", {**THING, "price": "NaN"}, "", 422, "invalid_input", {"/price"}),
    ("POST", "/api/thing", {**THING, "colour": "blue"}, "", 422, "invalid_input", {"/colour"}),
    (
        "POST",
        "/api/thing",
        {**THING, "version": 3, "created_at": None},
        "",
        422,
        "invalid_input",
        {"/version", "/created_at"},
    ),
    ("POST", "/api/thing", [], "", 422, "invalid_input", {""}),
    ("POST", "/api/thing", b"{", "", 400, "malformed_json", set()),
    ("POST", "/api/thing", b"", "", 400, "malformed_json", set()),
    ("POST", "/api/thing", b'{"name": "\xff"}', "", 400, "malformed_json", set()),
    ("POST", "/api/thing", b"[" * 200_000, "", 400, "malformed_json", set()),
    ("POST", "/api/thing", b'"' + b"a" * MAX_BODY + b'"', "", 413, "payload_too_large", set()),
    ("POST", "/api/thing", THING, "x=1", 400, "invalid_query", {"/x"}),
    ("PATCH", f"/api/thing/{NOBODY}", {"id": NOBODY}, "", 422, "invalid_input", {"/id"}),
    (
        "PATCH",
        f"/api/thing/{NOBODY}",
        {"name": None, "wrong": 1},
        "zz=1",
        422,
        "invalid_input",
        {"/name", "/wrong", "/zz"},
    ),
    ("GET", "/api/thing", None, "wrong=1", 400, "invalid_query", {"/wrong"}),
    ("GET", "/api/thing", None, "weight=x&name__foo=1", 400, "invalid_query", {"/weight", "/name__foo"}),
    ("GET", "/api/thing", None, "weight__contains=1", 400, "invalid_query", {"/weight__contains"}),
    ("GET", "/api/thing", None, "order=tags,-nothing", 400, "invalid_query", {"/order/0", "/order/1"}),
    ("GET", "/api/thing", None, "limit=0", 400, "invalid_query", {"/limit"}),
    ("GET", "/api/thing", None, "limit=1001", 400, "invalid_query", {"/limit"}),
    ("GET", "/api/thing", None, "limit=many&wrong=1&order=x", 400, "invalid_query", {"/limit", "/wrong", "/order/0"}),
    ("GET", "/api/thing", None, "limit=1&limit=2", 400, "invalid_query", {"/limit"}),
    ("GET", "/api/thing", None, "cursor=zzzz", 400, "invalid_cursor", set()),
    ("GET", "/api/thing", None, "name=%ff", 400, "invalid_query", {""}),
    ("GET", "/api/thing", None, "&".join(["name=a"] * 300), 400, "invalid_query", {""}),
    ("GET", "/api/thing-count", None, "limit=1", 400, "invalid_query", {"/limit"}),
    ("GET", "/api/thing-batch", None, "keys=1", 400, "invalid_query", {"/keys"}),
    ("GET", "/api/thing-batch", None, "&".join(["key=a"] * 101), 413, "batch_too_large", set()),
    ("POST", "/api/thing-batch", {"edits": {}}, "", 422, "invalid_input", {"/edits"}),
    (
        "POST",
        "/api/thing-batch",
        {"edits": [], "other": 1, "atomic": "yes"},
        "",
        422,
        "invalid_input",
        {"/other", "/atomic"},
    ),
    ("POST", "/api/thing-batch", {"edits": [{"create": {}}] * 101}, "", 413, "batch_too_large", set()),
    (
        "POST",
        "/api/thing-batch",
        {"edits": [{"create": THING}, {"create": {"name": ""}}, {"update": {"key": 1, "changes": {}}}, {}]},
        "",
        422,
        "invalid_input",
        {"/edits/1/create/name", "/edits/2/update/key", "/edits/3"},
    ),
    ("GET", "/api/nothing", None, "", 404, "not_found", set()),
    ("GET", "/", None, "", 404, "not_found", set()),
    ("PUT", "/api/thing", THING, "", 405, "method_not_allowed", set()),
]


@pytest.mark.parametrize(("method", "path", "body", "query", "status", "code", "paths"), BAD)
def test_bad_input_lists_every_fault_and_writes_nothing(
    call: Caller, method: str, path: str, body: Any, query: str, status: int, code: str, paths: set[str]
) -> None:
    answered, problem = call(method, path, body, query)
    assert call.last is not None
    assert (answered, problem["code"], problem["status"]) == (status, code, status)
    assert {fault["path"] for fault in problem.get("faults", ())} == paths
    assert call.last.headers["content-type"] == "application/problem+json"
    assert call("GET", "/api/thing-count")[1] == {"count": 0}


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json; charset=latin-1", "application/xml"])
def test_a_body_that_is_not_json_in_utf8_is_unsupported(call: Caller, content_type: str) -> None:
    status, problem = call("POST", "/api/thing", b'{"name": "x"}', content_type=content_type)
    assert (status, problem["code"]) == (415, "unsupported_media_type")


def test_a_cursor_of_another_query_is_rejected(call: Caller, things: list[dict[str, Any]]) -> None:
    _, page = call("GET", "/api/thing", None, "order=name&limit=1")
    for query in ("order=-name", "", "order=name&weight=5"):
        assert call("GET", "/api/thing", None, f"{query}&cursor={page['cursor']}")[1]["code"] == "invalid_cursor"


def test_stores_with_the_same_routes_stop_the_start() -> None:
    @stored(access=public)
    class Item:
        id: str

    @stored(access=public, indexes=[Index("id")])
    class ItemCount:
        id: str

    with pytest.raises(InvalidDeclaration, match="The API gives the name ItemCount"):
        Rest(App("twice", items=[Item, ItemCount], url="memory://"))

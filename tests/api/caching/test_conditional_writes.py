"""Conditional writes: `If-Match`, `If-None-Match` and `If-Unmodified-Since`."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persisty import (
    App,
)
from persisty.api.http.messages import Response
from persisty.api.rest.endpoint import Rest
from persisty.store.store import context_of

from ...unit.counting import counted
from .items import BOB, ITEMS, Client, Covert, Dated, Diary, Plain, Versioned


def code(response: Response) -> Any:
    return json.loads(response.body)["code"]


@pytest.mark.parametrize("item", [Versioned, Dated, Plain, Covert])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_write_with_an_outdated_etag_is_rejected(
    app: App, ask: Client, etag: Any, item: type[Any], method: str
) -> None:
    tag, path = etag(item), f"/api/{item.__name__.lower()}/1"
    body = {"text": "mine"} if method == "PATCH" else None
    app.store(item).update("1", {"text": "changed"})
    refused = ask(method, path, body, if_match=tag)
    assert (refused.status, code(refused)) == (412, "precondition_failed")
    assert json.loads(refused.body)["item"]["text"] == "changed"
    assert app.store(item).read("1").text == "changed"  # type: ignore[union-attr]
    now = ask("GET", path).headers["etag"]
    assert ask(method, path, body, if_match=f'"other", {now}').status == (200 if method == "PATCH" else 204)


def test_the_response_to_a_write_has_the_validators_of_the_new_version(ask: Client) -> None:
    made = ask("POST", "/api/versioned", {"id": "1"})
    assert made.headers["etag"] == ask("GET", "/api/versioned/1").headers["etag"]
    changed = ask("PATCH", "/api/versioned/1", {"text": "a"}, if_match=made.headers["etag"])
    now = ask("GET", "/api/versioned/1").headers
    assert (changed.headers["etag"], changed.headers["last-modified"]) == (now["etag"], now["last-modified"])
    assert ask("PATCH", "/api/versioned/1", {"text": "b"}, if_match=changed.headers["etag"]).status == 200


ROUND_TRIPS = [(Versioned, ["write"]), (Dated, ["read", "write"]), (Plain, ["read", "write"])]


@pytest.mark.parametrize(("item", "calls"), ROUND_TRIPS)
def test_a_conditional_write_makes_the_fewest_engine_calls(
    app: App, ask: Client, etag: Any, item: type[Any], calls: list[str]
) -> None:
    tag, path = etag(item), f"/api/{item.__name__.lower()}/1"
    with counted(context_of(app.store(item)).backend) as counting:
        answered = ask("PATCH", path, {"text": "new"}, if_match=tag)
        assert (answered.status, counting.calls) == (200, calls)
        assert ask("DELETE", path, if_match=answered.headers["etag"]).status == 204
        assert counting.calls == calls * 2


GIVEN = {"text": "first", "ratio": 0.1, "place": {"city": "a", "tags": []}}


CONCURRENT_CHANGES: list[tuple[type[Any], dict[str, Any]]] = [
    (Dated, {"text": "changed"}),
    (Dated, {"text": "first"}),  # only the time of change shows this write
    (Plain, {"text": "changed"}),
    (Plain, {"text": None}),
    (Plain, {"ratio": 0.2}),
    (Plain, {"place": {"city": "b", "tags": []}}),
    (Plain, {"place": None}),
]


@pytest.mark.parametrize(("item", "change"), CONCURRENT_CHANGES)
def test_a_write_between_the_read_and_the_write_is_not_overwritten(
    app: App, ask: Client, item: type[Any], change: dict[str, Any]
) -> None:
    known = item.__persisty__.attributes
    app.store(item).create({"id": "1", **{name: value for name, value in GIVEN.items() if name in known}})
    path = f"/api/{item.__name__.lower()}/1"
    tag = ask("GET", path).headers["etag"]
    expected: list[Any] = []

    def interfere(call: str) -> None:
        if call == "write" and not expected:
            expected.append(True)
            app.store(item).update("1", change)

    with counted(context_of(app.store(item)).backend, interfere) as counting:
        refused = ask("DELETE", path, if_match=tag)
        assert counting.calls == ["read", "write", "write"]
    assert (refused.status, code(refused)) == (412, "precondition_failed")
    assert app.store(item).read("1") is not None


@pytest.mark.parametrize("item", [Versioned, Plain])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_missing_item_is_404_and_if_match_any_matches_every_version(
    ask: Client, etag: Any, item: type[Any], method: str
) -> None:
    path, body = f"/api/{item.__name__.lower()}/1", {"text": "x"} if method == "PATCH" else None
    for headers in ({"if_match": "*"}, {"if_match": '"a"'}, {"if_none_match": "*"}, {}):
        assert (found := ask(method, path, body, **headers)).status == 404, found  # type: ignore[arg-type]
    tag = etag(item)
    assert ask(method, path, body, if_none_match="*").status == 412
    assert ask(method, path, body, if_none_match=tag).status == 412
    assert ask(method, path, body, if_match="").status == 412
    assert ask(method, path, body, if_match="*", if_none_match='"other"').status in (200, 204)


@pytest.mark.parametrize(
    "tag", ['"1"', '"x.1"', '".1"', '"-1.1"', '"٣.1"', f'"{10**18}{10**18}.1"', f'"{2**64 - 1}.1"', "1.1"]
)
def test_a_malformed_version_in_an_etag_does_not_match(ask: Client, etag: Any, tag: str) -> None:
    etag(Versioned)
    assert ask("PATCH", "/api/versioned/1", {"text": "x"}, if_match=tag).status == 412


def test_if_unmodified_since_is_checked_for_items_with_a_time(app: App, ask: Client, etag: Any) -> None:
    etag(Dated), etag(Plain)
    last_modified = ask("GET", "/api/dated/1").headers["last-modified"]
    old = "Thu, 01 Jan 1970 00:00:00 GMT"
    with counted(context_of(app.store(Dated)).backend) as counting:
        assert ask("PATCH", "/api/dated/1", {"text": "x"}, if_unmodified_since=old).status == 412
        assert ask("PATCH", "/api/dated/1", {"text": "x"}, if_unmodified_since=last_modified).status == 200
        assert counting.calls == ["write", "write"]
    assert ask("PATCH", "/api/dated/1", {"text": "x"}, if_unmodified_since="soon").status == 200
    assert ask("PATCH", "/api/plain/1", {"text": "x"}, if_unmodified_since=old).status == 200
    tag = ask("GET", "/api/dated/1").headers["etag"]
    assert (
        ask("DELETE", "/api/dated/1", if_match=tag, if_unmodified_since=old).status == 204
    )  # the ETag takes precedence


def test_conditions_in_the_query_and_in_the_headers_must_both_match(ask: Client, etag: Any) -> None:
    tag = etag(Versioned)
    assert ask("PATCH", "/api/versioned/1", {"text": "x"}, "text=other", if_match=tag).status == 412
    assert ask("PATCH", "/api/versioned/1", {"text": "x"}, "text=first", if_match='"2.0"').status == 412
    assert ask("PATCH", "/api/versioned/1", {"text": "x"}, "text=first", if_match=tag).status == 200


def test_if_none_match_any_turns_a_conflict_of_the_key_into_412_without_the_item(ask: Client, etag: Any) -> None:
    etag(Plain)
    assert code(ask("POST", "/api/plain", {"id": "1"})) == "conflict"
    refused = ask("POST", "/api/plain", {"id": "1"}, if_none_match="*")
    assert (refused.status, code(refused), json.loads(refused.body)["item"]) == (412, "precondition_failed", None)
    assert ask("POST", "/api/plain", {"id": "2"}, if_none_match="*").status == 201


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_an_item_that_the_caller_may_not_read_is_not_found_with_any_precondition(
    app: App, ask: Client, method: str
) -> None:
    app.store(Diary).create({"id": "1", "author": "ann", "text": "dear diary"})
    tag = ask("GET", "/api/diary/1").headers["etag"]
    body = {"text": "x"} if method == "PATCH" else None
    requests = (
        {},
        {"if_match": tag},
        {"if_match": "*"},
        {"if_match": '"a"'},
        {"if_none_match": "*"},
        {"if_none_match": tag},
    )
    answers = [ask(method, "/api/diary/1", body, caller=BOB, **headers) for headers in requests]  # type: ignore[arg-type]
    missing = ask(method, "/api/diary/2", body, caller=BOB)
    assert {(one.status, one.body, tuple(one.headers.items())) for one in answers} == {
        (404, missing.body, tuple(missing.headers.items()))
    }


PIECES = st.sampled_from(
    ['"a"', '"1.', 'W/"', '"', ",", " ", "*", "\t", "Fri, ", "02 Jan 2026", "03:04:05", " GMT", "é", "1", "\x00"]
)


SENT = st.one_of(
    st.lists(PIECES, max_size=8).map("".join),
    st.text(max_size=20),
    st.sampled_from(["*", '"1.0"', 'W/"2.x"', "Fri, 02 Jan 2100 03:04:05 GMT", "Friday, 31-Feb-26 03:04:05 GMT"]),
)


NAMES = ("if_match", "if_none_match", "if_modified_since", "if_unmodified_since")


@given(st.dictionaries(st.sampled_from(NAMES), SENT), st.sampled_from(["versioned", "dated", "plain"]))
def test_any_combination_of_headers_returns_changes_or_rejects_and_never_loses_an_item(
    headers: dict[str, str], name: str
) -> None:
    app = App("cached", items=ITEMS, url="memory://")
    ask = Client(Rest(app))
    app.store(name).create({"id": "1"})
    full, answer = ask("GET", f"/api/{name}/1"), ask("GET", f"/api/{name}/1", **headers)
    assert answer.status in (200, 304, 412)
    assert (answer.body == full.body) == (answer.status == 200)
    changed = ask("PATCH", f"/api/{name}/1", {"text": "new"}, **headers)
    assert changed.status in (200, 412)
    assert (app.store(name).read("1").text == "new") == (changed.status == 200)
    assert (
        "if_match" in headers or "if_none_match" in headers or "if_unmodified_since" in headers or changed.status == 200
    )

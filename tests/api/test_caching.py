"""REST's cache headers, and conditional requests with ETags and times."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servey.action.action import action
from servey.cache_control.cache_control_abc import CacheControlABC
from servey.cache_control.cache_header import CacheHeader
from servey.cache_control.secure_hash_cache_control import SecureHashCacheControl
from servey.cache_control.timestamp_cache_control import TimestampCacheControl
from servey.cache_control.ttl_cache_control import TtlCacheControl
from servey.trigger.web_trigger import WEB_GET

from persisty import (
    VERSION,
    Access,
    App,
    Attr,
    BelongsTo,
    Cache,
    Caller,
    HasMany,
    authenticated,
    everyone,
    owned,
    public,
    scope,
    stored,
)
from persisty.api.http.messages import Request, Response
from persisty.api.openapi.document import document
from persisty.api.rest.endpoint import Rest
from persisty.api.servey import servey_actions
from persisty.model.cache_policy import cache_of
from persisty.store.store import context_of

from ..unit.counting import counted

ANN, BOB = Caller("ann"), Caller("bob", frozenset({"admin"}))


@stored(access=public)
class Versioned:
    id: str
    text: str = ""
    version: int = Attr(generator=VERSION)
    updated_at: datetime


@stored(access=public)
class Dated:
    id: str
    text: str = ""
    updated_at: datetime


@dataclass
class Place:
    city: str
    tags: list[str]


@stored(access=public)
class Plain:
    id: str
    text: str | None = None
    ratio: float = 0.1
    place: Place | None = None


@stored(access=public, cache=Cache(seconds=60, public=True))
class Open:
    id: str


@stored(access=Access(read=authenticated), cache=Cache(seconds=60, public=True, must_revalidate=True))
class Closed:
    id: str
    note: str = Attr(default="", readable=scope("admin"))


@stored(access=Access(read=everyone), cache=Cache(seconds=60, public=True))
class Partly:
    id: str
    note: str = Attr(default="", readable=scope("admin"))


@stored(access=Access(read=owned("author"), update=owned("author"), delete=owned("author")))
class Diary:
    id: str
    author: str
    text: str = ""


@stored(access=Access(read=everyone, update=everyone, delete=everyone))
class Covert:
    """Its version and its time are not everybody's to know."""

    id: str
    text: str = ""
    version: int = Attr(generator=VERSION, readable=scope("admin"))
    updated_at: datetime = Attr(readable=False)


@stored(access=Access(create=everyone))
class Dropped:
    id: str
    text: str = ""
    version: int = Attr(generator=VERSION)
    updated_at: datetime


ITEMS = [Dropped, Versioned, Dated, Plain, Open, Closed, Partly, Diary, Covert]
WHEN = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


@action(access_control=everyone, triggers=WEB_GET)
def bare() -> int:
    return 1


@action(access_control=everyone, triggers=WEB_GET, cache_control=SecureHashCacheControl())
def hashed() -> int:
    return 1


@action(
    access_control=everyone,
    triggers=WEB_GET,
    cache_control=TtlCacheControl(90, SecureHashCacheControl(private=False), must_revalidate=True),
)
def timed() -> int:
    return 1


@dataclass
class News:
    text: str
    updated_at: datetime


@action(access_control=everyone, triggers=WEB_GET, cache_control=TimestampCacheControl(TtlCacheControl(90)))
def stamped() -> News:
    return News("hello", WHEN)


class Own(CacheControlABC):
    def get_cache_header(self, item: Any) -> CacheHeader:
        raise NotImplementedError

    def get_cache_header_from_content(self, content: bytes) -> CacheHeader:
        return CacheHeader(f"{len(content)}\r\nx: y", WHEN, datetime(2100, 1, 1), private=False)


@action(access_control=everyone, triggers=WEB_GET, cache_control=Own())
def own() -> str:
    return "abc"


class Client:
    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: str = "",
        caller: Caller = ANN,
        **headers: str,
    ) -> Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        raw = b""
        if body is not None:
            given["content-type"], raw = "application/json", json.dumps(body).encode()
        return self._rest.handle(Request(method, path, query, given, raw, caller))


@pytest.fixture
def app() -> App:
    return App("cached", items=ITEMS, actions=[bare, hashed, timed, stamped, own], url="memory://")


@pytest.fixture
def ask(app: App) -> Client:
    return Client(Rest(app))


@pytest.fixture
def etag(app: App, ask: Client) -> Callable[[type[Any]], str]:
    """Creates an item and tells its tag."""

    def of(item: type[Any]) -> str:
        app.store(item).create({"id": "1", "text": "first"})
        return ask("GET", f"/api/{item.__name__.lower()}/1").headers["etag"]

    return of


def code(response: Response) -> Any:
    return json.loads(response.body)["code"]


# Reads


@pytest.mark.parametrize(
    "path", ["/api/versioned/1", "/api/versioned", "/api/versioned-count", "/api/versioned-batch?key=1"]
)
def test_a_get_that_knows_the_version_is_answered_without_it_but_with_the_validators(
    app: App, ask: Client, path: str
) -> None:
    app.store(Versioned).create({"id": "1"})
    path, _, query = path.partition("?")
    full = ask("GET", path, query=query)
    assert full.status == 200
    again = ask("GET", path, query=query, if_none_match=full.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers == {name: value for name, value in full.headers.items() if name != "content-type"}
    head = ask("HEAD", path, query=query, if_none_match=full.headers["etag"])
    assert (head.status, head.headers) == (304, again.headers)  # the length of a body that is not sent is not 0
    app.store(Versioned).update("1", {"text": "new"}) if "count" not in path else app.store(Versioned).create(
        {"id": "2"}
    )
    changed = ask("GET", path, query=query, if_none_match=full.headers["etag"])
    assert changed.status == 200
    assert changed.headers["etag"] != full.headers["etag"]


def test_the_tag_of_an_item_tells_its_version_and_that_of_anything_else_its_content(ask: Client, etag: Any) -> None:
    assert re.fullmatch(r'"1\.[0-9a-f]{24}"', etag(Versioned))
    assert re.fullmatch(r'"[0-9a-f]{24}"', etag(Plain))
    assert re.fullmatch(r'"[0-9a-f]{24}"', ask("GET", "/api/versioned").headers["etag"])


def test_who_may_write_what_it_may_not_read_hears_of_no_version(ask: Client) -> None:
    made = ask("POST", "/api/dropped", {"id": "1", "text": "x"})
    assert (made.status, json.loads(made.body)) == (201, {"id": "1"})
    assert "last-modified" not in made.headers
    assert re.fullmatch(r'"[0-9a-f]{24}"', made.headers["etag"])


def test_callers_who_see_different_parts_of_an_item_have_different_tags(app: App, ask: Client) -> None:
    app.store(Partly).create({"id": "1", "note": "secret"})
    seen, whole = ask("GET", "/api/partly/1"), ask("GET", "/api/partly/1", caller=BOB)
    assert b"secret" in whole.body
    assert b"secret" not in seen.body
    assert seen.headers["etag"] != whole.headers["etag"]
    assert ask("GET", "/api/partly/1", if_none_match=whole.headers["etag"]).status == 200


def test_a_version_that_some_may_not_see_is_in_no_tag_and_a_time_that_none_may_see_in_no_header(
    app: App, ask: Client, etag: Any
) -> None:
    assert "." not in etag(Covert)
    for caller in (ANN, BOB):
        headers = ask("GET", "/api/covert/1", caller=caller).headers
        assert "last-modified" not in headers
        assert "." not in headers["etag"]


@pytest.mark.parametrize(
    ("path", "control", "vary"),
    [
        ("/api/versioned/1", "private, no-cache", None),
        ("/api/versioned", "private, no-cache", "accept"),
        ("/api/open/1", "public, max-age=60", None),
        ("/api/open", "public, max-age=60", "accept"),
        ("/api/closed/1", "private, max-age=60, must-revalidate", "authorization"),
        ("/api/partly/1", "private, max-age=60", "authorization"),
        ("/actions/bare", "private, no-cache", "authorization"),
        ("/actions/hashed", "private, no-cache", "authorization"),
        ("/actions/timed", "public, max-age=90, must-revalidate", None),
        ("/actions/stamped", "private, max-age=90", "authorization"),
    ],
)
def test_what_caches_may_keep_follows_from_who_may_read(
    app: App, ask: Client, path: str, control: str, vary: str | None
) -> None:
    for item in (Versioned, Open, Closed, Partly):
        app.store(item).create({"id": "1"})
    headers = ask("GET", path).headers
    assert (headers["cache-control"], headers.get("vary")) == (control, vary)
    assert "etag" in headers


def test_a_cache_control_of_the_apps_own_is_asked_and_its_words_put_right(ask: Client) -> None:
    headers = ask("GET", "/actions/own").headers
    assert re.fullmatch(r"public, max-age=\d{9,}", headers["cache-control"])
    assert re.fullmatch(r'"[0-9a-f]{24}"', headers["etag"])  # whatever it says, a header is one line
    assert headers["last-modified"] == "Fri, 02 Jan 2026 03:04:05 GMT"
    assert ask("GET", "/actions/own", if_modified_since=headers["last-modified"]).status == 304


def test_an_action_tells_when_its_result_changed(ask: Client) -> None:
    response = ask("GET", "/actions/stamped")
    assert response.headers["last-modified"] == "Fri, 02 Jan 2026 03:04:05 GMT"
    assert ask("GET", "/actions/stamped", if_none_match=response.headers["etag"]).status == 304


def test_a_refusal_is_not_kept_by_any_cache(ask: Client) -> None:
    for path, query in (("/api/versioned/none", ""), ("/api/nothing", ""), ("/api/versioned", "x=1")):
        headers = ask("GET", path, query=query).headers
        assert (headers["cache-control"], headers.get("etag")) == ("no-store", None)


DATES = [
    ("Fri, 02 Jan 2026 03:04:05 GMT", True),
    ("Friday, 02-Jan-26 03:04:05 GMT", True),
    ("Fri Jan  2 03:04:05 2026", True),
    ("Fri, 02 Jan 2026 03:04:04 GMT", False),
    ("Fri, 02 Jan 2026 03:04:06 GMT", True),
]


@pytest.mark.parametrize(("date", "known"), DATES)
def test_if_modified_since_counts_in_seconds_and_in_every_form_of_a_date(ask: Client, date: str, known: bool) -> None:
    assert ask("GET", "/actions/stamped", if_modified_since=date).status == (304 if known else 200)
    assert ask("GET", "/actions/stamped", if_unmodified_since=date).status == (200 if known else 412)


@pytest.mark.parametrize(
    "date", ["", "yesterday", "2026-01-02T03:04:05Z", "Fri, 32 Jan 2026 03:04:05 GMT", "Fri, 02 Jan 2026 24:04:05 GMT"]
)
def test_a_date_that_is_none_is_ignored(ask: Client, date: str) -> None:
    assert ask("GET", "/actions/stamped", if_modified_since=date).status == 200
    assert ask("GET", "/actions/stamped", if_unmodified_since=date).status == 200


def test_tags_are_compared_as_each_header_asks_and_count_before_dates(ask: Client) -> None:
    tag = ask("GET", "/actions/stamped").headers["etag"]
    old, new = "Thu, 01 Jan 2026 00:00:00 GMT", "Sat, 03 Jan 2026 00:00:00 GMT"
    asked: list[tuple[Mapping[str, str], int]] = [
        ({"if_none_match": tag}, 304),
        ({"if_none_match": f"W/{tag}"}, 304),
        ({"if_none_match": f'"a", "b,c" ,, {tag}'}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": '"a"'}, 200),
        ({"if_none_match": tag.strip('"')}, 200),
        ({"if_none_match": f'"a" {tag}'}, 200),
        ({"if_none_match": '"a"', "if_modified_since": new}, 200),
        ({"if_none_match": tag, "if_modified_since": old}, 304),
        ({"if_match": tag}, 200),
        ({"if_match": f'"a",{tag}'}, 200),
        ({"if_match": "*"}, 200),
        ({"if_match": f"W/{tag}"}, 412),
        ({"if_match": '"a"'}, 412),
        ({"if_match": ""}, 412),
        ({"if_match": tag, "if_unmodified_since": old}, 200),
        ({"if_match": tag, "if_none_match": tag}, 304),
        ({"if_match": '"a"', "if_none_match": tag}, 412),
        ({"if_unmodified_since": old, "if_none_match": tag}, 412),
        ({"if_unmodified_since": new, "if_modified_since": new}, 304),
    ]
    assert [(headers, ask("GET", "/actions/stamped", **headers).status) for headers, _ in asked] == asked


def test_last_modified_is_told_of_items_that_keep_it(app: App, ask: Client, etag: Any) -> None:
    etag(Dated)
    [item] = app.store(Dated).search()
    told = ask("GET", "/api/dated/1").headers["last-modified"]
    assert datetime.strptime(told, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC) == item.updated_at.replace(
        microsecond=0
    )
    assert ask("GET", "/api/dated/1", if_modified_since=told).status == 304
    assert "last-modified" not in ask("GET", "/api/dated").headers  # of a page it would not tell what left it
    app.store(Plain).create({"id": "1"})
    assert "last-modified" not in ask("GET", "/api/plain/1").headers


# Writes


@pytest.mark.parametrize("item", [Versioned, Dated, Plain, Covert])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_write_of_another_version_than_is_known_is_refused(
    app: App, ask: Client, etag: Any, item: type[Any], method: str
) -> None:
    tag, path = etag(item), f"/api/{item.__name__.lower()}/1"
    body = {"text": "mine"} if method == "PATCH" else None
    app.store(item).update("1", {"text": "theirs"})
    refused = ask(method, path, body, if_match=tag)
    assert (refused.status, code(refused)) == (412, "precondition_failed")
    assert json.loads(refused.body)["item"]["text"] == "theirs"
    assert app.store(item).read("1").text == "theirs"  # type: ignore[union-attr]
    now = ask("GET", path).headers["etag"]
    assert ask(method, path, body, if_match=f'"other", {now}').status == (200 if method == "PATCH" else 204)


def test_the_answer_to_a_write_tells_the_validators_of_what_it_made(ask: Client) -> None:
    made = ask("POST", "/api/versioned", {"id": "1"})
    assert made.headers["etag"] == ask("GET", "/api/versioned/1").headers["etag"]
    changed = ask("PATCH", "/api/versioned/1", {"text": "a"}, if_match=made.headers["etag"])
    now = ask("GET", "/api/versioned/1").headers
    assert (changed.headers["etag"], changed.headers["last-modified"]) == (now["etag"], now["last-modified"])
    assert ask("PATCH", "/api/versioned/1", {"text": "b"}, if_match=changed.headers["etag"]).status == 200


ROUND_TRIPS = [(Versioned, ["write"]), (Dated, ["read", "write"]), (Plain, ["read", "write"])]


@pytest.mark.parametrize(("item", "calls"), ROUND_TRIPS)
def test_a_conditional_write_asks_the_engine_no_more_than_it_must(
    app: App, ask: Client, etag: Any, item: type[Any], calls: list[str]
) -> None:
    tag, path = etag(item), f"/api/{item.__name__.lower()}/1"
    with counted(context_of(app.store(item)).backend) as counting:
        answered = ask("PATCH", path, {"text": "new"}, if_match=tag)
        assert (answered.status, counting.calls) == (200, calls)
        assert ask("DELETE", path, if_match=answered.headers["etag"]).status == 204
        assert counting.calls == calls * 2


GIVEN = {"text": "first", "ratio": 0.1, "place": {"city": "a", "tags": []}}
THEIRS: list[tuple[type[Any], dict[str, Any]]] = [
    (Dated, {"text": "theirs"}),
    (Dated, {"text": "first"}),  # the time tells that it was written, though nothing else does
    (Plain, {"text": "theirs"}),
    (Plain, {"text": None}),
    (Plain, {"ratio": 0.2}),
    (Plain, {"place": {"city": "b", "tags": []}}),
    (Plain, {"place": None}),
]


@pytest.mark.parametrize(("item", "change"), THEIRS)
def test_who_writes_between_the_read_and_the_write_is_not_overwritten(
    app: App, ask: Client, item: type[Any], change: dict[str, Any]
) -> None:
    known = item.__persisty__.attributes
    app.store(item).create({"id": "1", **{name: value for name, value in GIVEN.items() if name in known}})
    path = f"/api/{item.__name__.lower()}/1"
    tag = ask("GET", path).headers["etag"]
    theirs: list[Any] = []

    def interfere(call: str) -> None:
        if call == "write" and not theirs:
            theirs.append(True)
            app.store(item).update("1", change)

    with counted(context_of(app.store(item)).backend, interfere) as counting:
        refused = ask("DELETE", path, if_match=tag)
        assert counting.calls == ["read", "write", "write"]
    assert (refused.status, code(refused)) == (412, "precondition_failed")
    assert app.store(item).read("1") is not None


@pytest.mark.parametrize("item", [Versioned, Plain])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_any_version_is_one_that_is_there(ask: Client, etag: Any, item: type[Any], method: str) -> None:
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
def test_a_tag_that_tells_no_version_is_that_of_another(ask: Client, etag: Any, tag: str) -> None:
    etag(Versioned)
    assert ask("PATCH", "/api/versioned/1", {"text": "x"}, if_match=tag).status == 412


def test_if_unmodified_since_holds_where_there_is_a_time(app: App, ask: Client, etag: Any) -> None:
    etag(Dated), etag(Plain)
    told = ask("GET", "/api/dated/1").headers["last-modified"]
    old = "Thu, 01 Jan 1970 00:00:00 GMT"
    with counted(context_of(app.store(Dated)).backend) as counting:
        assert ask("PATCH", "/api/dated/1", {"text": "x"}, if_unmodified_since=old).status == 412
        assert ask("PATCH", "/api/dated/1", {"text": "x"}, if_unmodified_since=told).status == 200
        assert counting.calls == ["write", "write"]
    assert ask("PATCH", "/api/dated/1", {"text": "x"}, if_unmodified_since="soon").status == 200
    assert ask("PATCH", "/api/plain/1", {"text": "x"}, if_unmodified_since=old).status == 200
    tag = ask("GET", "/api/dated/1").headers["etag"]
    assert ask("DELETE", "/api/dated/1", if_match=tag, if_unmodified_since=old).status == 204  # the tag says more


def test_conditions_in_the_query_and_in_the_headers_both_have_to_hold(ask: Client, etag: Any) -> None:
    tag = etag(Versioned)
    assert ask("PATCH", "/api/versioned/1", {"text": "x"}, "text=other", if_match=tag).status == 412
    assert ask("PATCH", "/api/versioned/1", {"text": "x"}, "text=first", if_match='"2.0"').status == 412
    assert ask("PATCH", "/api/versioned/1", {"text": "x"}, "text=first", if_match=tag).status == 200


def test_a_create_that_reckons_with_a_taken_key_fails_its_precondition_and_tells_nothing_of_the_item(
    ask: Client, etag: Any
) -> None:
    etag(Plain)
    assert code(ask("POST", "/api/plain", {"id": "1"})) == "conflict"
    refused = ask("POST", "/api/plain", {"id": "1"}, if_none_match="*")
    assert (refused.status, code(refused), json.loads(refused.body)["item"]) == (412, "precondition_failed", None)
    assert ask("POST", "/api/plain", {"id": "2"}, if_none_match="*").status == 201


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_an_item_that_the_caller_may_not_see_is_not_there_whatever_is_asked_of_it(
    app: App, ask: Client, method: str
) -> None:
    app.store(Diary).create({"id": "1", "author": "ann", "text": "dear diary"})
    tag = ask("GET", "/api/diary/1").headers["etag"]
    body = {"text": "x"} if method == "PATCH" else None
    asked = (
        {},
        {"if_match": tag},
        {"if_match": "*"},
        {"if_match": '"a"'},
        {"if_none_match": "*"},
        {"if_none_match": tag},
    )
    answers = [ask(method, "/api/diary/1", body, caller=BOB, **headers) for headers in asked]  # type: ignore[arg-type]
    missing = ask(method, "/api/diary/2", body, caller=BOB)
    assert {(one.status, one.body, tuple(one.headers.items())) for one in answers} == {
        (404, missing.body, tuple(missing.headers.items()))
    }


# Whatever is sent

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
def test_whatever_the_headers_say_an_item_is_answered_kept_or_refused_and_never_lost(
    headers: dict[str, str], name: str
) -> None:
    app = App("cached", items=ITEMS, url="memory://")
    ask = Client(Rest(app))
    app.store(name).create({"id": "1"})
    full, asked = ask("GET", f"/api/{name}/1"), ask("GET", f"/api/{name}/1", **headers)
    assert asked.status in (200, 304, 412)
    assert (asked.body == full.body) == (asked.status == 200)
    changed = ask("PATCH", f"/api/{name}/1", {"text": "new"}, **headers)
    assert changed.status in (200, 412)
    assert (app.store(name).read("1").text == "new") == (changed.status == 200)
    assert (
        "if_match" in headers or "if_none_match" in headers or "if_unmodified_since" in headers or changed.status == 200
    )


# What OpenAPI says of it


def test_openapi_tells_the_headers_that_requests_and_answers_have_and_no_others(
    app: App, ask: Client, etag: Any
) -> None:
    described = document(app)["paths"]
    etag(Versioned), etag(Plain)
    for path, method, body in (
        ("/api/versioned", "GET", None),
        ("/api/versioned/1", "GET", None),
        ("/api/versioned/1", "PATCH", {"text": "x"}),
        ("/api/versioned", "POST", {"id": "2"}),
        ("/api/versioned-count", "GET", None),
        ("/api/versioned-batch", "GET", None),
        ("/api/plain/1", "GET", None),
        ("/actions/timed", "GET", None),
        ("/actions/stamped", "GET", None),
    ):
        operation = described[path.replace("/1", "/{key}")][method.lower()]
        answer = ask(method, path, body)
        told = operation["responses"][str(answer.status)].get("headers", {})
        found = {name for name in answer.headers if name != "content-type"}
        assert (
            found
            <= {name.lower() for name in told}
            <= {*found, "last-modified", "vary", "link", "idempotency-replayed"}
        )
        assert ("Last-Modified" in told) >= ("last-modified" in found)
        asked = {one["name"] for one in operation["parameters"] if one["in"] == "header"}
        assert ("If-Modified-Since" in asked) == ("304" in operation["responses"]) == (method == "GET")
        assert "precondition_failed" in operation["responses"]["412"]["description"]


def test_openapi_tells_of_no_time_where_an_item_has_none(app: App) -> None:
    described = document(app)["paths"]
    assert "Last-Modified" in described["/api/dated/{key}"]["get"]["responses"]["200"]["headers"]
    for path in ("/api/plain/{key}", "/api/dated", "/api/covert/{key}"):
        assert "Last-Modified" not in described[path]["get"]["responses"]["200"]["headers"]


# With items of other stores


@stored(access=public, cache=Cache(seconds=60, public=True))
class Book:
    id: str
    author_id: str
    version: int = Attr(generator=VERSION)
    updated_at: datetime
    author: BelongsTo["Author"]


@stored(access=public, cache=Cache(seconds=60, public=True))
class Author:
    id: str
    name: str
    books: HasMany["Book"]


def test_an_answer_with_other_items_in_it_is_another_version_when_any_of_them_is() -> None:
    app = App("library", items=[Book, Author], url="memory://")
    ask = Client(Rest(app))
    app.store(Author).create({"id": "a", "name": "Ann"})
    app.store(Book).create({"id": "b", "author_id": "a"})
    for path in ("/api/book/b", "/api/book", "/api/book-batch"):
        query = "include=author" + ("&key=b" if "batch" in path else "")
        whole = ask("GET", path, query=query)
        assert b"Ann" in whole.body
        version = r"1\." if path == "/api/book/b" else ""
        assert re.fullmatch(rf'"{version}[0-9a-f]{{24}}"', whole.headers["etag"])
        assert "last-modified" not in whole.headers
        vary = "authorization, accept" if path == "/api/book" else "authorization"
        assert (whole.headers["cache-control"], whole.headers["vary"]) == ("private, no-cache", vary)
        assert ask("GET", path, query=query, if_none_match=whole.headers["etag"]).status == 304
        app.store(Author).update("a", {"name": "Ann!" if app.store(Author).read("a").name == "Ann" else "Ann"})  # type: ignore[union-attr]
        assert ask("GET", path, query=query, if_none_match=whole.headers["etag"]).status == 200
        assert ask("GET", path, query=query, if_modified_since="Fri, 31 Dec 2100 00:00:00 GMT").status == 200


# As servey's actions


def test_stores_tell_serveys_hosts_what_they_tell_caches(app: App) -> None:
    told = {one.name: one.cache_control for one in servey_actions(app)}
    assert told["open_search"] == TtlCacheControl(60, SecureHashCacheControl(private=False))
    assert told["closed_read"] == TtlCacheControl(60, SecureHashCacheControl(), must_revalidate=True)
    assert told["partly_read"] == TtlCacheControl(60, SecureHashCacheControl())
    assert (told["open_create"], told["plain_read"]) == (None, None)
    assert cache_of(told["closed_read"]) == Cache(
        seconds=60, must_revalidate=True
    )  # it is never shared, so it is not public

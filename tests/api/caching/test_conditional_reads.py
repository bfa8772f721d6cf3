"""Conditional `GET` requests, validators and `Cache-Control`, after RFC 9110 and 9111."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from persisty import (
    App,
)

from .items import (
    ANN,
    BOB,
    Client,
    Closed,
    Covert,
    Dated,
    Open,
    Partly,
    Plain,
    Versioned,
)


@pytest.mark.parametrize(
    "path", ["/api/versioned/1", "/api/versioned", "/api/versioned-count", "/api/versioned-batch?key=1"]
)
def test_a_get_with_the_current_etag_gets_304_with_the_validators(app: App, ask: Client, path: str) -> None:
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


def test_the_etag_of_an_item_has_its_version_and_other_etags_hash_the_content(ask: Client, etag: Any) -> None:
    assert re.fullmatch(r'"1\.[0-9a-f]{24}"', etag(Versioned))
    assert re.fullmatch(r'"[0-9a-f]{24}"', etag(Plain))
    assert re.fullmatch(r'"[0-9a-f]{24}"', ask("GET", "/api/versioned").headers["etag"])


def test_a_write_of_an_unreadable_item_returns_no_version(ask: Client) -> None:
    made = ask("POST", "/api/dropped", {"id": "1", "text": "x"})
    assert (made.status, json.loads(made.body)) == (201, {"id": "1"})
    assert "last-modified" not in made.headers
    assert re.fullmatch(r'"[0-9a-f]{24}"', made.headers["etag"])


def test_callers_that_see_different_attributes_have_different_etags(app: App, ask: Client) -> None:
    app.store(Partly).create({"id": "1", "note": "secret"})
    seen, whole = ask("GET", "/api/partly/1"), ask("GET", "/api/partly/1", caller=BOB)
    assert b"secret" in whole.body
    assert b"secret" not in seen.body
    assert seen.headers["etag"] != whole.headers["etag"]
    assert ask("GET", "/api/partly/1", if_none_match=whole.headers["etag"]).status == 200


def test_a_version_or_time_that_a_caller_may_not_read_is_in_no_header(app: App, ask: Client, etag: Any) -> None:
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
def test_cache_control_follows_from_the_access_rules(
    app: App, ask: Client, path: str, control: str, vary: str | None
) -> None:
    for item in (Versioned, Open, Closed, Partly):
        app.store(item).create({"id": "1"})
    headers = ask("GET", path).headers
    assert (headers["cache-control"], headers.get("vary")) == (control, vary)
    assert "etag" in headers


def test_an_actions_own_cache_control_is_used_and_corrected(ask: Client) -> None:
    headers = ask("GET", "/actions/own").headers
    assert re.fullmatch(r"public, max-age=\d{9,}", headers["cache-control"])
    assert re.fullmatch(r'"[0-9a-f]{24}"', headers["etag"])  # the header is one line
    assert headers["last-modified"] == "Fri, 02 Jan 2026 03:04:05 GMT"
    assert ask("GET", "/actions/own", if_modified_since=headers["last-modified"]).status == 304


def test_an_action_can_set_last_modified(ask: Client) -> None:
    response = ask("GET", "/actions/stamped")
    assert response.headers["last-modified"] == "Fri, 02 Jan 2026 03:04:05 GMT"
    assert ask("GET", "/actions/stamped", if_none_match=response.headers["etag"]).status == 304


def test_an_error_is_never_cached(ask: Client) -> None:
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
def test_if_modified_since_has_a_precision_of_seconds_and_accepts_every_date_format(
    ask: Client, date: str, known: bool
) -> None:
    assert ask("GET", "/actions/stamped", if_modified_since=date).status == (304 if known else 200)
    assert ask("GET", "/actions/stamped", if_unmodified_since=date).status == (200 if known else 412)


@pytest.mark.parametrize(
    "date", ["", "yesterday", "2026-01-02T03:04:05Z", "Fri, 32 Jan 2026 03:04:05 GMT", "Fri, 02 Jan 2026 24:04:05 GMT"]
)
def test_a_malformed_date_is_ignored(ask: Client, date: str) -> None:
    assert ask("GET", "/actions/stamped", if_modified_since=date).status == 200
    assert ask("GET", "/actions/stamped", if_unmodified_since=date).status == 200


def test_etags_are_compared_by_the_rules_of_each_header_and_take_precedence_over_dates(ask: Client) -> None:
    tag = ask("GET", "/actions/stamped").headers["etag"]
    old, new = "Thu, 01 Jan 2026 00:00:00 GMT", "Sat, 03 Jan 2026 00:00:00 GMT"
    requests: list[tuple[Mapping[str, str], int]] = [
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
    assert [(headers, ask("GET", "/actions/stamped", **headers).status) for headers, _ in requests] == requests


def test_items_with_a_time_of_change_have_last_modified(app: App, ask: Client, etag: Any) -> None:
    etag(Dated)
    [item] = app.store(Dated).search()
    last_modified = ask("GET", "/api/dated/1").headers["last-modified"]
    assert datetime.strptime(last_modified, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC) == item.updated_at.replace(
        microsecond=0
    )
    assert ask("GET", "/api/dated/1", if_modified_since=last_modified).status == 304
    assert (
        "last-modified" not in ask("GET", "/api/dated").headers
    )  # a time of change does not show that an item has left the page
    app.store(Plain).create({"id": "1"})
    assert "last-modified" not in ask("GET", "/api/plain/1").headers

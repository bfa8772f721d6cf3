"""Caching in OpenAPI, in responses with linked items, and in servey's actions."""

import re
from datetime import datetime
from typing import Any

from servey.cache_control.secure_hash_cache_control import SecureHashCacheControl
from servey.cache_control.ttl_cache_control import TtlCacheControl

from persisty import (
    VERSION,
    App,
    Attr,
    BelongsTo,
    Cache,
    HasMany,
    public,
    stored,
)
from persisty.api.openapi.document import document
from persisty.api.rest.endpoint import Rest
from persisty.api.servey import servey_actions
from persisty.model.cache_policy import cache_of

from .items import Client, Plain, Versioned


def test_openapi_describes_exactly_the_headers_of_requests_and_responses(app: App, ask: Client, etag: Any) -> None:
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
        declared = operation["responses"][str(answer.status)].get("headers", {})
        found = {name for name in answer.headers if name != "content-type"}
        assert (
            found
            <= {name.lower() for name in declared}
            <= {*found, "last-modified", "vary", "link", "idempotency-replayed"}
        )
        assert ("Last-Modified" in declared) >= ("last-modified" in found)
        parameters = {one["name"] for one in operation["parameters"] if one["in"] == "header"}
        assert ("If-Modified-Since" in parameters) == ("304" in operation["responses"]) == (method == "GET")
        assert "precondition_failed" in operation["responses"]["412"]["description"]


def test_openapi_describes_no_last_modified_for_an_item_without_a_time(app: App) -> None:
    described = document(app)["paths"]
    assert "Last-Modified" in described["/api/dated/{key}"]["get"]["responses"]["200"]["headers"]
    for path in ("/api/plain/{key}", "/api/dated", "/api/covert/{key}"):
        assert "Last-Modified" not in described[path]["get"]["responses"]["200"]["headers"]


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


def test_the_etag_of_a_page_changes_with_each_of_its_items() -> None:
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


def test_serveys_hosts_get_the_cache_control_of_stores(app: App) -> None:
    controls = {one.name: one.cache_control for one in servey_actions(app)}
    assert controls["open_search"] == TtlCacheControl(60, SecureHashCacheControl(private=False))
    assert controls["closed_read"] == TtlCacheControl(60, SecureHashCacheControl(), must_revalidate=True)
    assert controls["partly_read"] == TtlCacheControl(60, SecureHashCacheControl())
    assert (controls["open_create"], controls["plain_read"]) == (None, None)
    assert cache_of(controls["closed_read"]) == Cache(
        seconds=60, must_revalidate=True
    )  # it is never shared, so it is not public

"""Every strong ETag of one item is accepted by `If-Match` while the item has not changed. A weak one never is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from persisty import VERSION, App, Attr, BelongsTo, HasMany, link, public, stored
from persisty.api.http.messages import Request, Response
from persisty.api.rest.endpoint import Rest


@stored(access=public)
class Band:
    id: str
    name: str = "x" * 1200
    songs: HasMany[Song] = link()
    albums: HasMany[Album] = link()
    shows: HasMany[Show] = link()


@stored(access=public)
class Song:
    id: str
    title: str = "x" * 1200
    band_id: str | None = None
    tags: list[str] = Attr(factory=list)
    version: int = Attr(generator=VERSION)
    band: BelongsTo[Band] = link()


@stored(access=public)
class Album:
    id: str
    title: str = "x" * 1200
    price: float | None = 1.5
    band_id: str | None = None
    band: BelongsTo[Band] = link()


@stored(access=public)
class Show:
    id: str
    title: str = "x" * 1200
    band_id: str | None = None
    updated_at: datetime
    band: BelongsTo[Band] = link()


QUERIES = ("", "fields=title", "fields=id,band_id", "include=band", "include=band&fields=title", "fields=band.name")
KINDS = ("song", "album", "show")


@pytest.fixture(params=["memory://", "sqlite://"])
def rest(request: pytest.FixtureRequest) -> Iterator[Rest]:
    app = App("bands", items=[Band, Song, Album, Show], url=request.param)
    app.prepare()
    app.store(Band).create({"id": "b"})
    for item in (Song, Album, Show):
        app.store(item).create({"id": "a", "band_id": "b"})
    yield Rest(app)
    app.close()


def send(rest: Rest, method: str, path: str, query: str = "", body: bytes = b"", **headers: str) -> Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return rest.handle(Request(method, path, query, {"content-type": "application/json", **given}, body))


@pytest.mark.parametrize("coding", ["", "gzip"])
@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_etag_of_any_response_with_an_item_is_accepted_once(rest: Rest, kind: str, query: str, coding: str) -> None:
    path = f"/api/{kind}/a"
    read = send(rest, "GET", path, query, accept_encoding=coding)
    assert read.status == 200, read.body
    tag = read.headers["etag"]
    assert send(rest, "GET", path, query, accept_encoding=coding, if_none_match=tag).status == 304
    assert send(rest, "PATCH", path, body=b'{"title": "new"}', if_match=f'"other", {tag}').status == 200
    assert send(rest, "PATCH", path, body=b'{"title": "newer"}', if_match=tag).status == 412
    assert send(rest, "DELETE", path, if_match=tag).status == 412
    assert send(rest, "GET", path, query, if_none_match=tag).status == 200


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_weak_etag_is_never_accepted(rest: Rest, kind: str, query: str) -> None:
    path = f"/api/{kind}/a"
    tag = send(rest, "GET", path, query).headers["etag"]
    for weak in (f"W/{tag}", f'W/{tag}, "other"'):
        assert send(rest, "PATCH", path, body=b'{"title": "new"}', if_match=weak).status == 412
        assert send(rest, "DELETE", path, if_match=weak).status == 412
        assert send(rest, "GET", path, query, if_match=weak).status == 412
        assert send(rest, "GET", path, query, if_none_match=weak).status == 304
        assert send(rest, "PATCH", path, body=b'{"title": "new"}', if_none_match=weak).status == 412
    assert send(rest, "DELETE", path, if_match=tag).status == 204


@pytest.mark.parametrize("kind", KINDS)
def test_the_etags_of_a_create_and_an_update_are_accepted(rest: Rest, kind: str) -> None:
    made = send(rest, "POST", f"/api/{kind}", body=b'{"id": "c"}')
    changed = send(rest, "PATCH", f"/api/{kind}/c", body=b'{"title": "new"}', if_match=made.headers["etag"])
    assert changed.status == 200
    assert send(rest, "DELETE", f"/api/{kind}/c", if_match=made.headers["etag"]).status == 412
    assert send(rest, "DELETE", f"/api/{kind}/c", if_match=changed.headers["etag"]).status == 204


def test_the_etag_of_a_response_with_links_changes_with_the_linked_items(rest: Rest) -> None:
    found: list[Any] = [send(rest, "GET", "/api/album/a", "include=band")]
    assert send(rest, "PATCH", "/api/band/b", body=b'{"name": "new"}').status == 200
    found.append(send(rest, "GET", "/api/album/a", "include=band", if_none_match=found[0].headers["etag"]))
    assert [one.status for one in found] == [200, 200]
    assert (
        send(rest, "PATCH", "/api/album/a", body=b'{"title": "new"}', if_match=found[0].headers["etag"]).status == 200
    )

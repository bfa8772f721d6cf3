"""Large responses are compressed for clients that accept gzip, and requests may have their ETags."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persisty import VERSION, App, Attr, public, stored
from persisty.api.http.compression import SMALL, coded
from persisty.api.http.messages import Request, Response
from persisty.api.http.preconditions import coded_tag
from persisty.api.rest.endpoint import Rest

GZIP = {"accept-encoding": "gzip, deflate, br"}


@stored(access=public)
class Essay:
    id: str
    text: str
    version: int = Attr(generator=VERSION)


@stored(access=public)
class Draft:
    """An item without a version and without a time."""

    id: str
    text: str


@stored(access=public)
class Dated:
    id: str
    text: str
    updated_at: datetime


LARGE = "large " * SMALL


@pytest.fixture
def rest() -> Iterator[Rest]:
    app = App("essays", items=[Essay, Draft, Dated], url="memory://")
    for item in (Essay, Draft, Dated):
        app.store(item).create({"id": "large", "text": LARGE})
        app.store(item).create({"id": "small", "text": "small"})
    yield Rest(app)
    app.close()


def ask(rest: Rest, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = {"content-type": "application/json"} if body else {}
    return rest.handle(Request(method, path, "", {**content, **named}, body))


@pytest.mark.parametrize("path", ["/api/essay/large", "/api/essay", "/api/essay-batch", "/openapi.json"])
def test_a_large_response_is_compressed_and_has_the_same_content(rest: Rest, path: str) -> None:
    query = "key=large" if path.endswith("-batch") else ""
    uncompressed = rest.handle(Request("GET", path, query))
    answer = rest.handle(Request("GET", path, query, GZIP))
    assert (answer.status, answer.headers["content-encoding"]) == (200, "gzip")
    assert gzip.decompress(answer.body) == uncompressed.body
    assert len(answer.body) < len(uncompressed.body) / 4
    assert "content-encoding" not in uncompressed.headers
    assert "accept-encoding" in uncompressed.headers["vary"].split(", ")  # a cache must not give one client another's
    assert "accept-encoding" in answer.headers["vary"].split(", ")
    if "etag" in uncompressed.headers:
        assert answer.headers["etag"] == coded_tag(uncompressed.headers["etag"]) != uncompressed.headers["etag"]
    assert rest.handle(Request("GET", path, query, GZIP)).body == answer.body


def test_a_small_response_is_not_compressed(rest: Rest) -> None:
    for path in ("/api/essay/small", "/api/essay/nothing", "/health", "/api/essay-count"):
        answer = ask(rest, path, **GZIP)
        assert "content-encoding" not in answer.headers
        assert "accept-encoding" not in answer.headers.get("vary", "")
        assert answer == ask(rest, path)


@pytest.mark.parametrize("size", [SMALL - 1, SMALL])
def test_responses_of_one_kilobyte_or_more_are_compressed(rest: Rest, size: int) -> None:
    empty = len(ask(rest, "/api/draft/small").body) - len("small")
    made = ask(rest, "/api/draft", "POST", b'{"id":"sized","text":"%s"}' % (b"x" * (size - empty)))
    assert (made.status, len(made.body)) == (201, size)
    assert ("content-encoding" in ask(rest, "/api/draft/sized", **GZIP).headers) == (size == SMALL)


def test_errors_and_responses_to_writes_are_compressed_too(rest: Rest) -> None:
    body = b'{"id": "x", "text": "%s"}' % LARGE.encode()
    made = ask(rest, "/api/essay", "POST", body, **GZIP)
    assert (made.status, made.headers["content-encoding"]) == (201, "gzip")
    assert made.headers["etag"] == ask(rest, "/api/essay/x", **GZIP).headers["etag"]
    unknown = ",".join(f'"unknown{number}":1' for number in range(100)).encode()
    refused = ask(rest, "/api/essay", "POST", b"{%s}" % unknown, **GZIP)
    assert (refused.status, refused.headers["content-encoding"]) == (422, "gzip")
    assert b"/unknown49" in gzip.decompress(refused.body)


def test_head_has_the_headers_of_the_compressed_response(rest: Rest) -> None:
    whole, head = ask(rest, "/api/essay/large", **GZIP), ask(rest, "/api/essay/large", "HEAD", **GZIP)
    assert head == Response(200, {**whole.headers, "content-length": str(len(whole.body))})


@pytest.mark.parametrize("store", ["essay", "draft", "dated"])
def test_a_client_with_the_compressed_response_gets_304_with_its_etag(rest: Rest, store: str) -> None:
    path = f"/api/{store}/large"
    etag, answer = ask(rest, path).headers["etag"], ask(rest, path, **GZIP).headers["etag"]
    for sent, expected in (
        (answer, answer),
        (etag, etag),
        (f"W/{answer}", answer),
        (f'"other", {etag}, {answer}', answer),
        ("*", answer),
    ):
        found = ask(rest, path, if_none_match=sent, **GZIP)
        assert (found.status, found.headers["etag"], found.body) == (304, expected, b"")
        assert "accept-encoding" in found.headers["vary"].split(", ")
        assert "content-encoding" not in found.headers
    assert ask(rest, path, if_none_match='"other+gzip"', **GZIP).status == 200


def test_a_request_without_gzip_is_not_304_for_the_etag_of_a_compressed_response(rest: Rest) -> None:
    path = "/api/essay/large"
    uncompressed, answer = ask(rest, path), ask(rest, path, **GZIP)
    assert ask(rest, path, if_none_match=answer.headers["etag"]) == uncompressed
    two_etags = ask(rest, path, if_none_match=f"{answer.headers['etag']}, {uncompressed.headers['etag']}")
    assert (two_etags.status, two_etags.headers["etag"]) == (304, uncompressed.headers["etag"])


def test_a_304_by_time_has_the_etag_of_its_200(rest: Rest) -> None:
    uncompressed, answer = ask(rest, "/api/dated/large"), ask(rest, "/api/dated/large", **GZIP)
    since = answer.headers["last-modified"]
    found = ask(rest, "/api/dated/large", if_modified_since=since, **GZIP)
    assert (found.status, found.headers["etag"]) == (304, answer.headers["etag"])
    found = ask(rest, "/api/dated/large", if_modified_since=since)
    assert (found.status, found.headers["etag"]) == (304, uncompressed.headers["etag"])


@pytest.mark.parametrize("store", ["essay", "draft"])
def test_the_etag_of_a_compressed_response_is_accepted_by_a_write(rest: Rest, store: str) -> None:
    path, changes = f"/api/{store}/large", b'{"text": "changed"}'
    tag = ask(rest, path, **GZIP).headers["etag"]
    assert tag.endswith('+gzip"')
    assert ask(rest, path, "PATCH", changes, if_none_match=tag).status == 412
    assert ask(rest, path, if_match=tag).status == 200
    assert ask(rest, path, "PATCH", changes, if_match=tag).status == 200
    assert ask(rest, path, "PATCH", changes, if_match=tag).status == 412
    assert ask(rest, path, if_match=tag).status == 412
    assert ask(rest, path, "DELETE", if_match=tag).status == 412


def chunks(parts: list[bytes], closed: list[bool]) -> Iterator[bytes]:
    try:
        yield from parts
    finally:
        closed.append(True)


@given(parts=st.lists(st.binary(max_size=3000), max_size=5))
def test_each_chunk_of_a_stream_is_compressed_and_flushed(parts: list[bytes]) -> None:
    closed: list[bool] = []
    answer = coded(Request("GET", "/", "", GZIP), Response(200, {"etag": '"x"'}, chunks=chunks(parts, closed)))
    assert answer.headers == {"etag": '"x+gzip"', "vary": "accept-encoding", "content-encoding": "gzip"}
    assert answer.chunks is not None
    reader = zlib.decompressobj(wbits=31)
    for part in parts:
        assert reader.decompress(next(answer.chunks)) == part
    assert (reader.decompress(b"".join(answer.chunks)), reader.eof) == (b"", True)
    assert closed == [True]


def test_a_stream_that_is_not_read_to_its_end_is_closed(rest: Rest) -> None:
    closed: list[bool] = []
    answer = coded(Request("GET", "/", "", GZIP), Response(200, {}, chunks=chunks([b"a", b"b"], closed)))
    taken: Any = answer.chunks
    next(taken)
    taken.close()
    assert closed == [True]


def test_a_stream_is_not_compressed_for_a_client_without_gzip() -> None:
    given_: Any = chunks([b"a"], [])
    assert coded(Request("GET", "/"), Response(200, {}, chunks=given_)).chunks is given_

"""The items, actions and the client of the tests of caching."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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
    Attr,
    Cache,
    Caller,
    authenticated,
    everyone,
    owned,
    public,
    scope,
    stored,
)
from persisty.api.http.messages import Request, Response
from persisty.api.rest.endpoint import Rest

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
    """An item whose version and time only some callers may read."""

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

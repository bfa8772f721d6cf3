"""The items, actions, clock and client of the tests of idempotency keys."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import (
    Access,
    App,
    Caller,
    Unique,
    authenticated,
    everyone,
    owned,
    public,
    stored,
)
from persisty.api.http.messages import Request, Response
from persisty.api.rest.endpoint import Rest

ANN, BOB, NOBODY = Caller("ann"), Caller("bob"), Caller()


DAY = timedelta(days=1).total_seconds()


@stored(access=public, indexes=[Unique("label")])
class Parcel:
    id: str
    label: str | None = None
    text: str = ""


@stored(access=Access(create=authenticated, read=owned("author"), update=owned("author")))
class Diary:
    id: str
    author: str
    text: str = ""


CALLED: list[str] = []


RAISED: list[Exception] = []


@action(access_control=everyone, triggers=WEB_POST)
def send(text: str) -> str:
    """Something that must not happen twice."""
    CALLED.append(text)
    if RAISED:
        raise RAISED[0]
    return text * 2


@action(access_control=everyone, triggers=WEB_GET)
def look(text: str) -> str:
    CALLED.append(text)
    return text


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.5

    def __call__(self) -> float:
        return self.now


def made(url: str = "memory://", **options: Any) -> App:
    return App("post", items=[Parcel, Diary], actions=[send, look], url=url, **options)


class Client:
    def __init__(self, rest: Rest) -> None:
        self.rest = rest

    def __call__(
        self, path: str, body: Any, key: str | None = "k", caller: Caller = ANN, method: str = "POST", **headers: str
    ) -> Response:
        given = {"content-type": "application/json", **{name.replace("_", "-"): one for name, one in headers.items()}}
        if key is not None:
            given["idempotency-key"] = key
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        path, _, query = path.partition("?")
        return self.rest.handle(Request(method, path, query, given, raw, caller))


def code(response: Response) -> str:
    return str(json.loads(response.body)["code"])


def replayed(first: Response, again: Response) -> bool:
    """Return whether the response is the same and is marked as replayed."""
    headers = dict(again.headers)
    is_replayed = headers.pop("idempotency-replayed", None) == "true"
    return is_replayed and (again.status, headers, again.body) == (first.status, first.headers, first.body)


GOOD = [
    "a",
    "A-Z_0.9:~",
    "x" * 255,
    '"quoted"',
    '"' + "x" * 255 + '"',
    '"with\\"and\\\\"',
    " k ",
    "34c317e8-75d7-4ff5-8076-c0e9c49414af",
]


BAD = [
    "",
    " ",
    "a b",
    '"a b"',
    "a,b c",
    "x" * 256,
    '"',
    '""',
    '"open',
    'open"x y',
    '"a"b',
    '"a", "b"',
    "ü",
    "a\x7f",
    "\x00",
    '"\\x"',
    '"a";p=1',
]


class Crash(BaseException):
    """An error that no handler catches."""


def done(text: bytes = b"done") -> Callable[[], Response]:
    return lambda: Response(200, {}, text)


def crash() -> Response:
    raise Crash


STAGES = (f"i{number}" for number in itertools.count())

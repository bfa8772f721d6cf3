"""An app with one item of every kind of attribute, its REST surface, and a caller of it."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from msgspec import Meta, Struct
from servey.action.action import action
from servey.security.access_control.allow_none import ALLOW_NONE
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import VERSION, App, Attr, Index, Unique, everyone, nobody, private, public, read_only, stored
from persisty.api.http.messages import Request, Response
from persisty.api.rest.endpoint import Rest


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


@dataclass
class Geo:
    lat: float


class Spot(Struct, rename="camel"):
    """A place. Its names in JSON are in camel case."""

    town: str
    post_code: str | None = None
    geo: Geo | None = None


@stored(indexes=[Index("colour", "weight"), Unique("label")], access=public)
class Thing:
    """An item with one attribute of every kind."""

    id: UUID
    name: Annotated[str, Meta(min_length=1, max_length=40)]
    weight: Annotated[int, Meta(ge=0, le=1000)] = 0
    ratio: float | None = None
    price: Decimal | None = None
    colour: Colour | None = None
    born: date | None = None
    raw: bytes | None = None
    active: bool = True
    tags: list[str] = Attr(factory=list)
    size: Literal["s", "m"] | None = None
    grade: Literal[1, 2] | None = None
    spot: Spot | None = None
    label: str | None = None
    version: int = Attr(generator=VERSION)
    created_at: datetime
    updated_at: datetime


@stored(key=("country", "code"), access=public)
class Place:
    country: str
    code: str
    label: str | None = None


@stored(access=read_only)
class Rule:
    id: str
    text: str


@stored(access=public)
class Tally:
    """An item without text."""

    id: UUID
    hits: int = 0


@stored(access=private)
class Secret:
    id: str


@dataclass
class Sum:
    total: int


@action(access_control=everyone, triggers=WEB_GET)
def add(left: int, right: int = 1) -> Sum:
    """Add two numbers."""
    return Sum(left + right)


@action(access_control=everyone, triggers=WEB_POST)
async def repeat(text: Annotated[str, Meta(max_length=10)], times: int) -> str:
    """Repeat a text."""
    return text * times


@action(triggers=WEB_POST, access_control=ALLOW_NONE)
def forbidden() -> str:
    return "never"


@action(access_control=everyone, triggers=WEB_GET)
def broken() -> str:
    raise RuntimeError("a secret of the implementation")


@action(access_control=nobody)
def not_offered() -> str:
    return "from Python only"


@pytest.fixture
def app() -> Iterator[App]:
    actions = [add, repeat, forbidden, broken, not_offered]
    made = App("things", items=[Thing, Place, Rule, Tally, Secret], actions=actions, url="memory://")
    yield made
    made.close()


@pytest.fixture
def rest(app: App) -> Rest:
    return Rest(app)


class Caller:
    """Calls the surface. `call("POST", "/api/thing", {...})` returns status, headers and decoded body; `last` is the raw response."""

    def __init__(self, handle: Callable[[Request], Response]) -> None:
        self._handle = handle
        self.last: Response | None = None

    def __call__(
        self, method: str, path: str, body: Any = None, query: str = "", *, content_type: str = "application/json"
    ) -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {"content-type": content_type} if body is not None and content_type else {}
        self.last = self._handle(Request(method, path, query, headers, raw))
        return self.last.status, json.loads(self.last.body) if self.last.body else None


@pytest.fixture
def call(rest: Rest) -> Caller:
    return Caller(rest.handle)

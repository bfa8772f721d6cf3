"""Items of the PostgreSQL tests: every kind of value, also nested, under unique and other indexes."""

from __future__ import annotations

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from msgspec import Struct

from persisty import SEQUENCE, App, Attr, Index, Store, Unique, stored
from persisty.backends.sql.postgres.dialect import quoted


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Rank(enum.IntEnum):
    FIRST = 1
    TENTH = 10


class Inner(Struct, rename={"quote": "it's {one}, 'quoted', ü"}):
    text: str | None = None
    count: int | None = None
    ratio: float | None = None
    done: bool | None = None
    at: datetime | None = None
    day: date | None = None
    ref: UUID | None = None
    price: Decimal | None = None
    size: Size | None = None
    rank: Rank | None = None
    blob: bytes | None = None
    quote: str | None = None


@stored(key="id", indexes=[Unique("email"), Unique("tenant", "number"), Index("topic", "number")])
class Paper:
    id: str
    topic: str = "a"
    number: int | None = None
    tenant: str | None = None
    email: str | None = None
    text: str | None = None
    ref: UUID | None = None
    blob: bytes | None = None
    inner: Inner | None = None
    tags: list[str] = Attr(factory=list)
    extra: dict[str, Any] | None = None


@stored
class Ticket:
    id: UUID
    number: int = Attr(generator=SEQUENCE)


def raw(app: App) -> psycopg.Connection[Any]:
    """Return a connection outside of persisty to the same schema."""
    engine = app.engine
    connection = psycopg.connect(engine._postgres._pool._conninfo, autocommit=True)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET search_path = {quoted(engine._schema)}")
    return connection


def wait_for_a_lock(app: App) -> None:
    """Wait until a session waits for the row of another."""
    with raw(app) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        while connection.execute(query).fetchone() == (0,):
            pass


def ids(papers: Store[Paper], where: Any) -> list[str]:
    return [one.id for one in papers.search(where, order="id", limit=100)]

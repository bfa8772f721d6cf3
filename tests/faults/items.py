"""Items of the fault tests. Accounts store the time of their last write; the other items do not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from persisty import VERSION, App, Attr, Unique, stored
from persisty.model.generators import SEQUENCE


@stored
class Account:
    """An item whose timestamps, to the microsecond, show which write changed it last."""

    id: UUID
    owner: str | None = None
    balance: int = 0
    log: list[str] = Attr(factory=list)
    version: int = Attr(generator=VERSION)
    created_at: datetime
    updated_at: datetime


@stored(key="id")
class Slot:
    """An item whose equal writes cannot be outcomes apart."""

    id: str
    owner: str | None = None
    count: int = 0


@stored(indexes=[Unique("name")])
class Member:
    id: UUID
    name: str
    points: int = 0


@stored(key="number")
class Ticket:
    number: int = Attr(generator=SEQUENCE)
    text: str = ""


ITEMS = [Account, Slot, Member, Ticket]
A: Any = Account
S: Any = Slot


@contextmanager
def prepared_at(endpoint: str) -> Iterator[App]:
    """Yield an app with new tables at the DynamoDB of an endpoint."""
    app = app_at(endpoint, "direct", uuid4().hex[:8])
    app.prepare()
    yield app
    app.close()


def app_at(endpoint: str, transport: str, stage: str, *, partiql: bool = True) -> App:
    url = f"dynamodb://us-east-1?endpoint={endpoint}&transport={transport}&index_attributes=2&partiql={int(partiql)}"
    return App("faults", items=ITEMS, url=url, stage=stage)

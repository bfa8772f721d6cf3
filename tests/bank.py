"""A bank: the items of the tests of batches over several stores, and its app."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from persisty import (
    GENERATED,
    VERSION,
    Access,
    App,
    Attr,
    BelongsTo,
    Caller,
    HasMany,
    authenticated,
    everyone,
    link,
    stored,
)

OPEN = Access(read=everyone, create=everyone, update=everyone, delete=everyone)


@stored(access=OPEN)
class Account:
    id: str
    balance: int = 0
    entries: HasMany[Entry] = link(by="account_id")


@stored(access=Access(read=everyone, create=authenticated, update=authenticated, delete=authenticated))
class Entry:
    id: UUID = GENERATED
    text: str
    amount: int
    account_id: str | None = None
    note: str = Attr(default="", readable=authenticated)


@stored(access=OPEN, conditional_writes=True)
class Rate:
    id: str
    value: int
    version: int = Attr(generator=VERSION)


@stored
class Secret:
    id: str


ANN = Caller("ann")


@pytest.fixture(params=["memory://", "sqlite://"])
def app(request: pytest.FixtureRequest) -> Iterator[App]:
    found = App("bank", items=[Account, Entry, Rate, Secret], url=request.param)
    found.prepare()
    found.store(Account).create({"id": "a", "balance": 5})
    yield found
    found.close()


@stored(access=OPEN)
class Part:
    id: str
    parent_id: str | None = None
    parent: BelongsTo[Part] = link(by="parent_id", on_delete="block")


@stored(access=OPEN)
class Other:
    id: str


@pytest.fixture(params=["memory://", "sqlite://"])
def linked(request: pytest.FixtureRequest) -> Iterator[App]:
    app = App("tree", items=[Part, Other], url=request.param)
    app.prepare()
    app.store(Part).create({"id": "root"})
    yield app
    app.close()

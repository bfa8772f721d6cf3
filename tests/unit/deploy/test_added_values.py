"""The values of added attributes in items that were stored before: the same on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from persisty import CREATED, VERSION, App, Attr, InvalidDeclaration, SchemaMismatch, stored
from persisty.model.generators import add

from .conftest import Place, Tables

NUMBERS = count()


def code() -> str:
    return f"c{next(NUMBERS)}"


@stored(name="book")
class Before:
    id: str


@stored(name="book")
class After:
    id: str
    code: str | None = Attr(factory=code)
    made: datetime | None = Attr(generator=CREATED)
    version: int = Attr(generator=VERSION)
    tags: list[str] = Attr(factory=list)
    likes: int | None = 3


@stored(name="book")
class Required:
    id: str
    code: str = Attr(factory=code)


class Memory(Place):
    """An app in memory, whose items are replaced while it runs."""

    def app(self, *items: type[Any], **options: Any) -> App:
        if self.opened is None:
            return super().app(*items, **options)
        for one in items:
            self.opened.replace(one)
        return self.opened

    def migrated(self, *items: type[Any], allow: tuple[str, ...] = (), unknown_allowed: bool = False) -> Any:
        app = self.app(*items)
        app.prepare()
        return app, []


@pytest.fixture(params=["memory", "sqlite", "postgresql", "dynamodb-moto"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "memory":
        found: Place = Memory("memory://")
    elif request.param == "sqlite":
        found = Place(f"sqlite:///{tmp_path}/books.db")
    elif request.param == "postgresql":
        found = request.getfixturevalue("on_postgresql")
    else:
        found = Tables(f"dynamodb://us-east-1?endpoint={request.getfixturevalue('moto_endpoint')}&partiql=0")
    yield found
    if found.opened is not None:
        found.opened.close()


def test_the_function_of_a_default_is_not_called_for_items_that_lack_the_attribute(anywhere: Place) -> None:
    anywhere.filled(Before, {"id": "a"})
    app, _ = anywhere.migrated(After)
    store: Any = app.store(After)
    found = store.read("a")
    assert (found.code, found.made, found.version, found.tags, found.likes) == (None, None, 1, [], 3)
    assert store.count(After.code.is_null()) == store.count(After.version == 1) == 1  # type: ignore[attr-defined]
    assert store.update("a", {"likes": add(1)}).likes == 4
    assert store.read("a").version == 2
    assert store.create({"id": "b"}).code is not None


def test_a_required_attribute_whose_default_is_a_function_is_refused_while_there_are_items(anywhere: Place) -> None:
    anywhere.filled(Before, {"id": "a"})
    with pytest.raises((SchemaMismatch, InvalidDeclaration)) as caught:
        anywhere.migrated(Required)
    assert [one.path for one in caught.value.faults] == ["/book/code"]

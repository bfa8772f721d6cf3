"""Apps whose declarations change over one database, on each SQL engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from persisty import App
from persisty.deploy.migration import Migration, Planned

from ...postgres import schema_in

STAGES = count()


class Place:
    """A database. `app` opens an app with some items there and closes the previous one, as if its process ended."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.opened: App | None = None

    def app(self, *items: type[Any], **options: Any) -> App:
        if self.opened is not None:
            self.opened.close()
        self.opened = App("shop", items=items, url=self.url, **options)
        return self.opened

    def filled(self, item: type[Any], *rows: dict[str, Any]) -> App:
        """Return a prepared app with these items."""
        app = self.app(item)
        app.prepare()
        for row in rows:
            app.store(item).create(row)
        return app

    def migrated(
        self, *items: type[Any], allow: tuple[str, ...] = (), unknown_allowed: bool = False
    ) -> tuple[App, list[Planned]]:
        app = self.app(*items)
        planned = Migration(app, allow, unknown_allowed=unknown_allowed).apply()
        assert not [one for one in Migration(app).plan() if one.steps], "a second migration has something to do"
        app.prepare()
        return app, planned

    def sql(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        assert self.opened is not None
        rows: Callable[..., list[tuple[Any, ...]]] = self.opened.engine._connection.rows  # type: ignore[attr-defined]
        return rows(statement, arguments)

    def table(self, name: str) -> str:
        assert self.opened is not None
        found = self.opened.engine.table(name)
        assert found is not None
        return found.place


class Tables(Place):
    """The tables of one stage."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.stage = f"m{next(STAGES)}"

    def app(self, *items: type[Any], **options: Any) -> App:
        return super().app(*items, stage=self.stage, **options)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "sqlite":
        found = Place(f"sqlite:///{tmp_path}/shop.db")
    else:
        found = Place(schema_in(request.getfixturevalue("postgres_url")))
    yield found
    if found.opened is not None:
        found.opened.close()


@pytest.fixture
def on_postgresql(postgres_url: str) -> Iterator[Place]:
    found = Place(schema_in(postgres_url))
    yield found
    if found.opened is not None:
        found.opened.close()


@pytest.fixture(params=["sqlite", "postgresql", "dynamodb-moto"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A database of an SQL engine, or tables of DynamoDB."""
    if request.param == "dynamodb-moto":
        found: Place = Tables(f"dynamodb://us-east-1?endpoint={request.getfixturevalue('moto_endpoint')}&partiql=0")
    elif request.param == "sqlite":
        found = Place(f"sqlite:///{tmp_path}/pets.db")
    else:
        found = request.getfixturevalue("on_postgresql")
    yield found
    if found.opened is not None:
        found.opened.close()

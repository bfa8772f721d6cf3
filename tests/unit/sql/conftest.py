"""A separate schema for each test, an app in it, and a proxy in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from persisty import App, Store
from persisty.store.store import context_of

from ...postgres import schema_in
from .papers import Paper, Ticket
from .proxy import Proxy


@pytest.fixture
def schema(postgres_url: str) -> str:
    return schema_in(postgres_url)


@pytest.fixture
def proxy(schema: str, tmp_path: Path) -> Iterator[Proxy]:
    """Yield a proxy in front of the schema."""
    made = Proxy(tmp_path, schema)
    yield made
    made.close()


@pytest.fixture
def app(schema: str) -> Iterator[App]:
    app = App("papers", items=[Paper, Ticket], url=schema)
    app.prepare()
    yield app
    app.close()


@pytest.fixture
def papers(app: App) -> Store[Paper]:
    return app.store(Paper)


@pytest.fixture
def proxied(app: App, proxy: Proxy) -> Iterator[Store[Paper]]:
    """The same papers through a proxy that counts round trips. Its connection is already open."""
    other = App("papers", items=[Paper], url=proxy.url)
    context_of(other.store(Paper)).backend._connection.rows("SELECT 1")
    yield other.store(Paper)
    other.close()

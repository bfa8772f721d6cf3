"""A PostgreSQL server of this run, a schema of its own for each test, and a proxy before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ...postgres import postgres_server, schema_in
from .proxy import Proxy


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def schema(postgres: str) -> str:
    return schema_in(postgres)


@pytest.fixture
def proxy(schema: str, tmp_path: Path) -> Iterator[Proxy]:
    """A proxy before the schema."""
    made = Proxy(tmp_path, schema)
    yield made
    made.close()

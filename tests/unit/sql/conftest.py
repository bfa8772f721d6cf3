"""A PostgreSQL server of this run, and a schema of its own for each test."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...postgres import postgres_server
from .proxy import Proxy

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def schema(postgres: str) -> str:
    """The URL of an empty schema."""
    return f"{postgres}{'&' if '?' in postgres else '?'}schema=unit-{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def proxy(schema: str, tmp_path: Path) -> Iterator[Proxy]:
    """A proxy before the schema."""
    made = Proxy(tmp_path, schema)
    yield made
    made.close()

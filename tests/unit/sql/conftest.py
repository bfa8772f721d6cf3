"""A PostgreSQL server of this run, and a schema of its own for each test."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest

from ...postgres import postgres_server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def schema(postgres: str) -> str:
    """The URL of an empty schema."""
    return f"{postgres}{'&' if '?' in postgres else '?'}schema=unit-{os.getpid()}-{next(_numbers)}"
